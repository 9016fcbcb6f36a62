// Tries everything with which a page of another site could reach a server on this machine, and
// returns for each attempt whether the page saw a success.
async ({ url, queue }) => {
  const outcomes = {};
  const attempt = async (name, act) => {
    try {
      outcomes[name] = await Promise.race([
        act(),
        new Promise((resolve) => setTimeout(resolve, 5000, false)),
      ]);
    } catch {
      outcomes[name] = false;
    }
  };
  // An opaque answer, which the page cannot read, is no success.
  const read = async (path, options = {}) => {
    const answer = await fetch(url + path, options);
    await answer.text();
    return answer.type !== "opaque";
  };
  const loads = (tag, attributes) =>
    new Promise((resolve) => {
      const element = document.createElement(tag);
      element.onload = () => resolve(tag !== "iframe");
      element.onerror = () => resolve(false);
      Object.assign(element, attributes);
      document.body.append(element);
    });
  const submits = (path, fields, type = "multipart/form-data", method = "POST") => {
    const frame = document.createElement("iframe");
    frame.name = `frame-${document.querySelectorAll("iframe").length}`;
    const form = document.createElement("form");
    Object.assign(form, { method, action: url + path, enctype: type, target: frame.name });
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name, value });
      form.append(input);
    }
    return new Promise((resolve) => {
      document.body.append(frame, form);
      frame.onload = () => resolve(false);
      form.submit();
    });
  };
  const simple = { method: "POST", mode: "no-cors" };
  const page = "<script>fetch('/v1/collections')</script>";
  const file = new FormData();
  file.append("key", "evil/form-data.html");
  file.append("file", new Blob([page], { type: "text/html" }), "page.html");
  const action = `Action=SendMessage&MessageBody=evil&QueueUrl=${encodeURIComponent(queue)}`;
  const path = new URL(queue).pathname;
  const collection = JSON.stringify({ CollectionId: "evil" });

  await attempt("a form to S3", () =>
    submits("/uploads", { key: "evil/form.jpg", "Content-Type": "text/html", file: page }));
  await attempt("a form to the root", () => submits("/", { key: "evil" }));
  await attempt("a plain form to the API", () =>
    submits("/v1/collections", { '{"CollectionId": "evil", "a': '": 1}' }, "text/plain"));
  await attempt("a form with an action", () =>
    submits(path, { Action: "SendMessage", MessageBody: "evil" },
      "application/x-www-form-urlencoded"));
  await attempt("a form by GET", () =>
    submits(path, { Action: "SendMessage", MessageBody: "evil" }, undefined, "GET"));
  await attempt("a file to S3", () => read("/uploads", { ...simple, body: file }));
  await attempt("a body to the API", () =>
    read("/v1/collections", { ...simple, body: collection }));
  await attempt("a body to moto", () => read("/evil-bucket", { ...simple, body: "evil" }));
  await attempt("a beacon", async () =>
    navigator.sendBeacon(`${url}/v1/collections`, collection) && false);
  await attempt("a put", () => read("/uploads/evil/put.jpg", { method: "PUT", body: "evil" }));
  await attempt("a new bucket", () => read("/evil-bucket", { method: "PUT" }));
  await attempt("a deletion", () => read("/photos/secret.svg", { method: "DELETE" }));
  await attempt("a call", () =>
    read("/", {
      method: "POST",
      body: collection,
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "RekognitionService.CreateCollection",
      },
    }));
  await attempt("an action by GET", () => read(`${path}?${action}`, { mode: "no-cors" }));
  await attempt("an action by an image", () => loads("img", { src: `${url}${path}?${action}` }));
  await attempt("a reset of moto", () => read("/moto-api/reset", simple));
  await attempt("an image", () => loads("img", { src: `${url}/photos/secret.svg` }));
  await attempt("a script", () => loads("script", { src: `${url}/photos/secret.js` }));
  await attempt("a style sheet", () =>
    loads("link", { rel: "stylesheet", href: `${url}/photos/secret.css` }));
  await attempt("an object", () => read("/photos/secret.svg"));
  await attempt("a list of objects", () => read("/photos"));
  await attempt("the list of collections", () => read("/v1/collections"));
  await attempt("the health", () => read("/health"));
  await attempt("a web socket", () =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/v1/collections`);
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    }));
  await attempt("events", () =>
    new Promise((resolve) => {
      const events = new EventSource(`${url}/photos/secret.svg`);
      events.onopen = () => resolve(true);
      events.onerror = () => resolve(false);
    }));
  return outcomes;
}
