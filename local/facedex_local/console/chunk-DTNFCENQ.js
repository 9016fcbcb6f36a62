import{g as s}from"./chunk-752Z4KR2.js";var t={RUNNING:"good",FAILED:"bad"};function a({status:n}){return s("span",{class:`badge ${t[n]??""}`,children:n})}export{a};
