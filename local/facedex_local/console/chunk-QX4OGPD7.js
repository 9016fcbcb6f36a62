import{k as s}from"./chunk-5X6F6IB3.js";var t={RUNNING:"good",FAILED:"bad"};function a({status:n}){return s("span",{class:`badge ${t[n]??""}`,children:n})}export{a};
