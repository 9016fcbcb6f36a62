import{o as s}from"./chunk-JMSWTXXE.js";var t={RUNNING:"good",FAILED:"bad"};function a({status:n}){return s("span",{class:`badge ${t[n]??""}`,children:n})}export{a};
