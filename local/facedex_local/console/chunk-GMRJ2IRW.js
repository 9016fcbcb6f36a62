import{n as t}from"./chunk-RJALINBC.js";var i=t([]);function e(o){i.value=[o,...i.value.filter(n=>n.id!==o.id)]}export{i as a,e as b};
