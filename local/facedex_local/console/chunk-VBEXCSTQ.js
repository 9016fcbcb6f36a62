function i(n,t,c){let e=URL.createObjectURL(new Blob([c],{type:t}));Object.assign(document.createElement("a"),{href:e,download:n}).click(),URL.revokeObjectURL(e)}export{i as a};
