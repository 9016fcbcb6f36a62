import{g as s}from"./chunk-P5P3J7UU.js";var t={RUNNING:"good",FAILED:"bad"};function a({status:n}){return s("span",{class:`badge ${t[n]??""}`,children:n})}export{a};
