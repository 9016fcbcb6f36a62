import{Wa as e,n as i}from"./chunk-THPPT7IK.js";var o=i([]);e(()=>o.value=[]);function s(t){o.value=[t,...o.value.filter(n=>n.id!==t.id)]}export{o as a,s as b};
