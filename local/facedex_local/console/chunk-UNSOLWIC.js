import{h as s}from"./chunk-VWZ4V4FZ.js";var t={RUNNING:"good",FAILED:"bad"};function a({status:n}){return s("span",{class:`badge ${t[n]??""}`,children:n})}export{a};
