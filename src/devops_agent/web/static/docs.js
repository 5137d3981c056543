// Lists the operations of /openapi.json and lets each be tried.
"use strict";
(async () => {
  const place = document.getElementById("operations");
  const make = (tag, fields = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), fields);
    made.append(...inside);
    return made;
  };
  const described = await (await fetch("/openapi.json")).json();
  const solve = (shape) => shape?.$ref ? solve(described.components.schemas[shape.$ref.split("/").pop()]) : shape;
  const example = (given) => {
    const shape = solve(given) ?? {};
    if (shape.default !== undefined) return shape.default;
    if (shape.anyOf) return example(shape.anyOf[0]);
    if (shape.enum) return shape.enum[0];
    if (shape.properties) return Object.fromEntries(Object.entries(shape.properties).map(([name, one]) => [name, example(one)]));
    return { string: "", integer: 1, number: 1, boolean: true, array: [], object: {} }[shape.type] ?? {};
  };
  const groups = {};
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "other";
      if (!groups[tag]) place.append(groups[tag] = make("section", {}, make("h2", { textContent: tag })));
      const form = make("form", { className: "form" });
      const inputs = (operation.parameters ?? []).filter((one) => one.name !== "last-event-id").map((one) => {
        const input = make("input", { name: one.name, required: one.required ?? false });
        form.append(make("label", {}, `${one.name} (${one.in})`, input));
        return [one, input];
      });
      const shape = operation.requestBody?.content?.["application/json"]?.schema;
      const body = shape && make("textarea", { value: JSON.stringify(example(shape), null, 2) });
      if (body) form.append(make("label", {}, "body", body));
      const result = make("pre", { hidden: true });
      form.append(make("button", {}, "Send"), result);
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        let url = path;
        const query = new URLSearchParams();
        const headers = {};
        const token = document.getElementById("token").value;
        if (token) headers.Authorization = `Bearer ${token}`;
        if (body) headers["Content-Type"] = "application/json";
        for (const [one, input] of inputs) {
          if (one.in === "path") url = url.replace(`{${one.name}}`, encodeURIComponent(input.value));
          else if (input.value && one.in === "query") query.append(one.name, input.value);
          else if (input.value) headers[one.name] = input.value;
        }
        const answer = await fetch(query.size ? `${url}?${query}` : url, { method: method.toUpperCase(), headers, body: body?.value });
        const text = await answer.text();
        let shown = text;
        try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is no JSON */ }
        result.textContent = `${answer.status}\n${shown}`;
        result.hidden = false;
      });
      if (path === "/stream") form.replaceChildren(make("p", {}, "An endless stream; read it with curl -N."));
      const head = make("summary", {}, make("span", { className: "method" }, method.toUpperCase()), make("code", {}, path),
        make("span", { className: "dim" }, ` ${operation.summary ?? ""}`));
      groups[tag].append(make("details", { className: "attempt operation" }, head,
        make("p", { className: "dim" }, operation.description ?? ""), form));
    }
  }
})();
