"use strict";
// Reads the document beside this page and lets its calls be tried. Whatever the document
// says becomes text or a value, and never markup.
(() => {
  const VERBS = ["get", "post", "put", "patch", "delete", "head", "options"];
  const SHOWN_ROWS = 200, SHOWN_COLUMNS = 60, SHOWN_TEXT = 400000, COLOURED = 200000;
  const base = location.origin + location.pathname.replace(/\/_squall\/docs\/?$/, "");
  // What callers say of themselves is kept here, and gone with the page.
  const secrets = new Map();
  let spec = null, calls = [], running = null;

  // Elements

  function make(name, about, ...inside) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(about || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (key === "text") element.textContent = value;
      else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key === "value") element.value = value;
      else element.setAttribute(key, value === true ? "" : value);
    }
    for (const child of inside.flat()) if (child) element.append(child);
    return element;
  }
  const byId = (id) => document.getElementById(id);
  let last = 0;
  const newId = () => "f" + ++last;

  // The document

  function resolve(thing) {
    for (let step = 0; thing && typeof thing.$ref === "string" && step < 10; step++) {
      if (!thing.$ref.startsWith("#/")) return {};
      const words = thing.$ref.slice(2).split("/").map((word) => word.replace(/~1/g, "/").replace(/~0/g, "~"));
      thing = words.reduce((at, word) => (at && Object.hasOwn(at, word) ? at[word] : undefined), spec);
    }
    return thing || {};
  }

  function collect() {
    const found = [];
    for (const [path, item] of Object.entries(spec.paths || {})) {
      const any = [], alike = [];
      for (const verb of VERBS) {
        const operation = item[verb];
        if (!operation) continue;
        const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map(resolve);
        const call = { path, verb, operation, parameters, id: operation.operationId || verb + path, others: [], badge: verb };
        if (operation["x-squall-any"]) any.push(call);
        else if (operation["x-squall-alike"]) alike.push(call);
        else found.push(call);
      }
      // What maps and models take by either method is one call to people.
      const isMap = alike.length > 0 && alike[0].operation["x-squall-target"] === "map";
      if (isMap) alike.reverse();
      for (const [same, verb] of [[alike, null], [any, "any"]]) {
        if (same.length > 1) found.push({ ...same[0], others: same, badge: verb || same[0].verb });
        else found.push(...same);
      }
    }
    return found;
  }

  // The list of routes

  function list() {
    const groups = new Map((spec.tags || []).map((tag) => [tag.name, []]));
    for (const call of calls) {
      const tag = (call.operation.tags || ["/"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(call);
    }
    const place = byId("routes");
    place.replaceChildren();
    for (const [tag, own] of groups) {
      if (!own.length) continue;
      const lines = own.map((call) => {
        const verb = call.badge;
        const link = make("a", { href: "#" + encodeURIComponent(call.id) },
          make("span", { class: "verb " + verb, text: verb.toUpperCase() }),
          make("span", { class: "path" }, broken(call.path)),
          call.operation.summary ? make("span", { class: "words", text: call.operation.summary }) : null);
        call.link = link;
        return make("li", { }, link);
      });
      place.append(make("section", {}, make("h2", { text: tag === "/" ? "/" : "/" + tag }), make("ul", {}, lines)));
    }
    filter();
  }

  /** A path that may be broken before its slashes. */
  const broken = (path) => path.split(/(?=\/)/).flatMap((part, at) => [at ? document.createElement("wbr") : null, part]);

  function filter() {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const call of calls) {
      const text = [call.verb, call.path, call.operation.summary || ""].join(" ").toLowerCase();
      const fits = words.every((word) => text.includes(word));
      call.link.parentElement.hidden = !fits;
      any ||= fits;
    }
    for (const section of byId("routes").children) {
      section.hidden = [...section.querySelectorAll("li")].every((line) => line.hidden);
    }
    byId("none").hidden = any || !calls.length;
  }

  // Fields

  const shownValue = (value) => (typeof value === "string" ? value : JSON.stringify(value));

  /** A field for a parameter: what it is worth is text, and nothing if it is not sent. */
  function field(parameter, changed) {
    const schema = resolve(parameter.schema), id = newId();
    const usual = schema.default;
    const start = parameter.example ?? (parameter.required ? (schema.examples || [])[0] : undefined);
    const choices = choicesOf(schema);
    let input;
    if (choices) {
      const none = usual === undefined ? "not sent" : "not sent: " + shownValue(usual);
      input = make("select", { id, onchange: changed },
        parameter.required ? null : make("option", { value: "", text: none }),
        choices.map((choice) => make("option", { value: choice, text: choice })));
      input.value = start !== undefined && parameter.required ? shownValue(start) : input.options[0].value;
    } else {
      const types = [schema.type].flat(), whole = types.includes("integer");
      const number = types.every((type) => ["number", "integer", "null"].includes(type));
      input = make("input", {
        id, autocomplete: "off", spellcheck: "false", oninput: changed,
        type: number ? "number" : "text", step: number ? (whole ? "1" : "any") : null,
        min: schema.minimum, max: schema.maximum,
        placeholder: usual === undefined ? null : shownValue(usual),
        value: start !== undefined && parameter.required ? shownValue(start) : "",
      });
    }
    const hints = !choices && !parameter.required && schema.examples;
    const known = hints ? make("datalist", { id: id + "l" }, hints.map((hint) => make("option", { value: shownValue(hint) }))) : null;
    if (known) input.setAttribute("list", known.id);
    if (parameter.required) input.required = true;
    if (parameter.description) input.setAttribute("aria-describedby", id + "h");
    const label = make("label", { for: id }, parameter.name);
    if (parameter.required && !parameter.quiet) label.append(" ", make("span", { class: "must", text: "needed" }));
    const element = make("div", { class: "field" }, label, input, known,
      parameter.description ? make("span", { class: "hint", id: id + "h", text: parameter.description }) : null);
    return { parameter, schema, input, element, value: () => input.value };
  }

  function choicesOf(schema) {
    if (Array.isArray(schema.enum)) return schema.enum.filter((one) => one !== null).map(shownValue);
    const type = Array.isArray(schema.type) ? schema.type.filter((one) => one !== "null") : [schema.type];
    return type.length === 1 && type[0] === "boolean" ? ["true", "false"] : null;
  }

  // Who calls

  function schemesOf(operation) {
    const ways = operation.security || spec.security || [];
    const all = new Map();
    for (const way of ways) {
      for (const [name, scopes] of Object.entries(way)) {
        const known = (spec.components || {}).securitySchemes || {};
        const scheme = Object.hasOwn(known, name) ? resolve(known[name]) : {};
        if (!all.has(name)) all.set(name, { name, scheme, scopes: [] });
        all.get(name).scopes.push(...scopes);
      }
    }
    return [...all.values()];
  }

  const isSigned = (scheme) => scheme["x-amazon-apigateway-authtype"] === "awsSigv4";

  /** Where a secret goes: a header or the query; and what stands for it in examples. */
  function placeOf(scheme, name) {
    if (scheme.type === "apiKey") {
      const variable = scheme.name.toLowerCase() === "x-api-key" ? "API_KEY" : scheme.name.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
      return { in: scheme.in, name: scheme.name, prefix: "", variable };
    }
    return { in: "header", name: "authorization", prefix: "Bearer ", variable: "TOKEN" };
  }

  function secretFields(schemes, changed) {
    const fields = schemes.filter(({ scheme }) => !isSigned(scheme)).map(({ name, scheme, scopes }) => {
      const id = newId(), place = placeOf(scheme, name);
      const title = scheme.type === "apiKey" ? place.name : "Bearer token";
      const hint = [scheme.description, scopes.length ? "One of the scopes: " + scopes.join(", ") + "." : ""].filter(Boolean).join(" ");
      const input = make("input", { id, type: "password", autocomplete: "off", spellcheck: "false", value: secrets.get(name) || "",
        "data-scheme": name, oninput: () => { secrets.set(name, input.value.trim()); changed(); } });
      const show = make("button", { type: "button", class: "small", "aria-pressed": "false", text: "Show", onclick: () => {
        const hide = input.type === "text";
        input.type = hide ? "password" : "text";
        show.setAttribute("aria-pressed", String(!hide));
      } });
      return make("div", { class: "field wide" }, make("label", { for: id, text: title + (title === name ? "" : " (" + name + ")") }),
        make("div", { class: "row" }, make("div", { class: "field" }, input), show),
        hint ? make("span", { class: "hint", text: hint }) : null);
    });
    if (schemes.some(({ scheme }) => isSigned(scheme))) {
      fields.push(make("p", { class: "hint field wide", text: "Calls are signed with keys of AWS's kind, which this page does not ask for: use the command below." }));
    }
    return fields;
  }

  // Bodies

  const isText = (type) => /^text\/|json|xml|urlencoded|javascript|yaml/.test(type);

  function bodyOf(operation, changed) {
    const body = resolve(operation.requestBody);
    const likes = ["application/json", "text/csv", "application/x-ndjson", "text/plain"];
    const rank = (kind) => (likes.includes(kind) ? likes.indexOf(kind) : likes.length);
    const kinds = Object.keys(body.content || {}).sort((one, other) => rank(one) - rank(other));
    if (!kinds.length) return null;
    const kind = make("select", { id: newId(), onchange: () => { fill(); changed(); } }, kinds.map((name) => make("option", { value: name, text: name })));
    const text = make("textarea", { id: newId(), spellcheck: "false", autocomplete: "off", rows: "8", oninput: changed });
    const file = make("input", { id: newId(), type: "file", onchange: () => { shape(); changed(); } });
    const drop = make("button", { type: "button", class: "small", text: "Do not use the file", onclick: () => { file.value = ""; shape(); changed(); } });
    const reset = make("button", { type: "button", class: "small", text: "Example", onclick: () => { fill(); changed(); } });
    const row = make("div", { class: "fields" });
    const label = make("label", { for: text.id });
    const editor = make("div", { class: "field wide gap" }, row, label, text);
    const media = () => resolve(body.content[kind.value]);

    function fill() {
      const example = ordered(resolve(media().schema), media().example ?? exampleOf(resolve(media().schema)));
      text.value = example === undefined ? "" : typeof example === "string" ? example : JSON.stringify(example, null, 2);
      label.textContent = kind.value.includes("json") ? "JSON" : kind.value.includes("csv") ? "CSV" : "Text";
      rowFields();
      shape();
    }
    /** A model's fields above its JSON: what is chosen there is written into the text. */
    function rowFields() {
      row.replaceChildren();
      row.hidden = true;
      if (!kind.value.includes("json")) return;
      const schema = objectOf(resolve(media().schema));
      const names = (schema && schema.properties && (schema.required || Object.keys(schema.properties))) || [];
      let start;
      try { start = JSON.parse(text.value); } catch { return; }
      if (!start || typeof start !== "object" || Array.isArray(start)) return;
      for (const name of names) {
        const own = resolve(schema.properties[name]);
        const one = field({ name, schema: own, required: true, quiet: true, example: start[name] ?? undefined }, () => {
          let now;
          try { now = JSON.parse(text.value); } catch { return; }
          if (!now || typeof now !== "object" || Array.isArray(now)) return;
          now[name] = typed(own, one.value());
          text.value = JSON.stringify(now, null, 2);
          changed();
        });
        one.input.required = false;
        row.append(one.element);
        row.hidden = false;
      }
    }
    function shape() {
      const chosen = file.files.length > 0, texts = isText(kind.value);
      editor.hidden = chosen || !texts;
      drop.hidden = !chosen;
      reset.hidden = chosen || !texts;
    }
    fill();
    const element = make("section", { class: "card" }, make("h3", { text: "Body" }),
      body.description ? make("p", { class: "faint", text: body.description }) : null,
      make("div", { class: "row" },
        make("div", { class: "field" }, make("label", { for: kind.id, text: "Form" }), kind),
        make("div", { class: "field" }, make("label", { for: file.id, text: "From a file" }), file)),
      editor, make("div", { class: "row gap" }, reset, drop));
    return {
      element, kind: () => kind.value,
      file: () => file.files[0] || null,
      text: () => text.value,
      used: () => file.files.length > 0 || (isText(kind.value) && (body.required || text.value !== "")),
    };
  }

  function objectOf(schema) {
    if (schema.properties) return schema;
    for (const one of schema.anyOf || schema.oneOf || []) {
      const found = resolve(one);
      if (found.properties) return found;
    }
    return null;
  }
  /** A row with its fields in the order of the model. */
  function ordered(schema, row) {
    const names = (objectOf(schema) || {}).required;
    const isRow = row && typeof row === "object" && !Array.isArray(row);
    if (!names || !isRow) return row;
    return Object.fromEntries([...names.filter((name) => Object.hasOwn(row, name)).map((name) => [name, row[name]]), ...Object.entries(row)]);
  }
  function exampleOf(schema) {
    const own = (schema.examples || [])[0];
    if (own !== undefined) return own;
    const object = objectOf(schema);
    return object && object !== schema ? exampleOf(object) : undefined;
  }
  /** What a field's text is in JSON. */
  function typed(schema, text) {
    const types = Array.isArray(schema.type) ? schema.type : [schema.type];
    if (Array.isArray(schema.enum)) {
      const found = schema.enum.find((one) => one !== null && shownValue(one) === text);
      return found === undefined ? null : found;
    }
    if (text === "") return types.includes("string") ? "" : null;
    if ((types.includes("number") || types.includes("integer")) && Number.isFinite(Number(text))) return Number(text);
    if (types.includes("boolean") && /^(true|false)$/.test(text)) return text === "true";
    return text;
  }

  // A call

  function show(call) {
    if (running) running.abort();
    const main = byId("main");
    document.body.classList.toggle("one", Boolean(call));
    for (const one of calls) one.link.toggleAttribute("aria-current", one === call);
    if (!call) { main.replaceChildren(make("p", { class: "faint", text: calls.length ? "Choose a route." : "The API has no routes yet." })); return; }
    main.replaceChildren(view(call));
    document.title = (call.operation.summary || call.path) + " \u00b7 " + spec.info.title;
  }

  function view(call) {
    let chosen = call.others[0] || call;
    const changed = () => snippet();
    const fields = call.parameters.map((parameter) => field(parameter, changed));
    const of = (test) => fields.filter(({ parameter }) => test(parameter)).map(({ element }) => element);
    // What is alike has one body, whose text stays when the method is another.
    const alike = call.operation["x-squall-alike"];
    const first = bodyOf(chosen.operation, changed);
    const bodies = new Map(call.others.map((other) => [other, alike || other === chosen ? first : bodyOf(other.operation, changed)]));
    const bodyNow = () => (call.others.length ? bodies.get(chosen) : first);
    const elements = [...new Set([first, ...bodies.values()])].filter(Boolean).map((one) => one.element);
    const turned = () => { for (const element of elements) element.hidden = !bodyNow() || element !== bodyNow().element; };
    const schemes = schemesOf(call.operation);
    const accepts = acceptsOf(call.operation);
    const accept = accepts.length > 1 ? make("select", { id: newId(), onchange: changed },
      make("option", { value: "", text: "the usual form" }), accepts.map((kind) => make("option", { value: kind, text: kind }))) : null;

    const rows = of((one) => one["x-squall-field"]);
    const path = of((one) => one.in === "path");
    const needed = of((one) => one.in !== "path" && one.required && !one["x-squall-field"]);
    const options = of((one) => one.in !== "path" && !one.required && !one["x-squall-field"]);

    const send = make("button", { class: "main", type: "submit", text: "Send" });
    const stop = make("button", { type: "button", text: "Stop", hidden: true, onclick: () => running && running.abort() });
    const answer = make("section", { class: "card", "aria-live": "polite", id: "answer", hidden: true });
    const code = make("code"), pre = make("pre", { tabindex: "0", "aria-label": "The call as code" }, code);
    let language = "curl";
    const tabs = ["curl", "python"].map((name) => make("button", { type: "button", class: "small", text: name === "curl" ? "curl" : "Python",
      "aria-pressed": String(name === language), onclick: () => { language = name; for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab === tabs[name === "curl" ? 0 : 1])); snippet(); } }));
    const copy = make("button", { type: "button", class: "small push", text: "Copy", onclick: async () => {
      try { await navigator.clipboard.writeText(code.textContent); copy.textContent = "Copied"; } catch { select(code); copy.textContent = "Selected"; }
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    } });

    const request = () => requestOf(chosen, fields, schemes, bodyNow(), accept ? accept.value : "");
    function snippet() { code.textContent = language === "curl" ? curl(request()) : python(request()); }

    const verbs = call.others.length ? make("select", { id: newId(), class: "method", "aria-label": "Method", onchange: () => {
      chosen = call.others[verbs.selectedIndex];
      turned();
      snippet();
    } }, call.others.map((other) => make("option", { value: other.verb, text: other.verb.toUpperCase() }))) : null;
    turned();

    const head = make("header", { class: "call-head" },
      make("h2", { text: call.operation.summary || call.path }),
      make("div", { class: "where" }, make("span", { class: "verb " + call.badge, text: call.badge.toUpperCase() }), make("code", {}, broken(call.path))),
      call.operation.description ? make("p", { class: "faint", text: call.operation.description }) : null,
      make("div", { class: "marks" }, marks(call, schemes)));

    const inputs = [...path, ...rows, ...needed];
    const form = make("form", { class: "call", autocomplete: "off", onsubmit: (event) => { event.preventDefault(); go(request(), send, stop, answer); } },
      head,
      schemes.length ? make("section", { class: "card" }, make("h3", { text: "Who calls" }), make("div", { class: "fields" }, secretFields(schemes, changed))) : null,
      inputs.length ? make("section", { class: "card" }, make("h3", { text: rows.length ? "Row" : "Parameters" }), make("div", { class: "fields" }, inputs)) : null,
      ...elements,
      options.length || accept ? make("details", { class: "card" }, make("summary", { text: "Options" }), make("div", { class: "fields" }, options,
        accept ? make("div", { class: "field" }, make("label", { for: accept.id, text: "Answer as" }), accept) : null)) : null,
      make("div", { class: "row" }, verbs ? make("div", {}, verbs) : null, send, stop, make("span", { class: "faint", text: "or Ctrl+Enter" })),
      answer,
      make("section", { class: "card" }, make("div", { class: "tabs" }, tabs, copy), pre),
      make("details", { class: "card" }, make("summary", { text: "Answers" }), answersOf(call.operation)));
    // The button says itself what is missing; browsers would send nothing and point at a
    // field that may be in a closed box.
    form.noValidate = true;
    form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } });
    snippet();
    return make("div", {}, make("a", { class: "back", href: "#", text: "\u2190 All routes" }), form);
  }

  function marks(call, schemes) {
    const kinds = { function: "function", map: "map", model: "model", redirect: "redirect", site: "site", nothing: "no target" };
    const words = [kinds[call.operation["x-squall-target"]]];
    for (const { scheme } of schemes) {
      words.push(isSigned(scheme) ? "signed (SigV4)" : scheme.type === "apiKey" ? (scheme.name.toLowerCase() === "x-api-key" ? "API key" : scheme.name) : "token");
    }
    if (!schemes.length) words.push("open to all");
    return words.filter(Boolean).map((text) => make("span", { class: "mark", text }));
  }

  function acceptsOf(operation) {
    const answers = operation.responses || {};
    const good = resolve(answers["200"] || answers.default);
    return Object.keys(good.content || {}).filter((kind) => !kind.includes("*"));
  }

  function answersOf(operation) {
    const lines = Object.entries(operation.responses || {}).map(([status, answer]) =>
      make("tr", {}, make("th", { scope: "row", text: status }), make("td", { text: resolve(answer).description || "" })));
    return make("table", { class: "plain" }, make("tbody", {}, lines));
  }

  function requestOf(call, fields, schemes, body, accept) {
    let path = call.path;
    const query = [], headers = [], missing = [];
    for (const { parameter, input, value } of fields) {
      const text = value();
      input.removeAttribute("aria-invalid");
      if (text === "") {
        const blank = parameter["x-squall-field"] || !parameter.required;
        if (!blank) missing.push({ name: parameter.name, input });
        if (parameter.in === "path") continue;
        if (!(parameter.required && parameter["x-squall-field"])) continue;
      }
      if (parameter.in === "path") {
        const parts = parameter["x-squall-greedy"] ? text.split("/") : [text];
        path = path.split("{" + parameter.name + "}").join(parts.map(encodeURIComponent).join("/"));
      } else if (parameter.in === "query") query.push({ name: parameter.name, value: text });
      else if (parameter.in === "header") headers.push({ name: parameter.name, value: text });
    }
    let signed = null;
    for (const { name, scheme } of schemes) {
      if (isSigned(scheme)) { signed = scheme["x-squall-region"] || "us-east-1"; continue; }
      const place = placeOf(scheme, name), value = secrets.get(name) || "";
      const one = { name: place.name, value: place.prefix + value, prefix: place.prefix, variable: place.variable, empty: value === "" };
      (place.in === "query" ? query : headers).push(one);
    }
    if (accept) headers.push({ name: "accept", value: accept });
    const used = body && body.used();
    if (used) headers.push({ name: "content-type", value: body.kind() });
    return { verb: call.verb.toUpperCase(), path, query, headers, body: used ? body : null, signed, missing };
  }

  function address(request, secret) {
    const given = request.query.filter((one) => !one.empty || secret);
    const pairs = given.map((one) => encodeURIComponent(one.name) + "=" + (one.variable && secret ? secret(one) : encodeURIComponent(one.value)));
    return base + request.path + (pairs.length ? "?" + pairs.join("&") : "");
  }

  // The call as code

  const single = (text) => "'" + text.replace(/'/g, "'\\''") + "'";
  const double = (text) => text.replace(/[\\"$`!]/g, "\\$&");

  function curl(request) {
    let url = address(request, () => "\u0000");
    const secretsInUrl = request.query.filter((one) => one.variable);
    url = single(url);
    for (const one of secretsInUrl) url = url.replace("\u0000", "'\"$" + one.variable + "\"'");
    const lines = ["curl " + (request.verb === "GET" && !request.body ? "" : request.verb === "HEAD" ? "--head " : "-X " + request.verb + " ") + url];
    if (request.signed) {
      lines.push("--aws-sigv4 " + single("aws:amz:" + request.signed + ":execute-api"), "--user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"");
    }
    for (const { name, value, variable, prefix } of request.headers) {
      lines.push(variable ? "-H \"" + double(name + ": " + prefix) + "$" + variable + "\"" : "-H " + single(name + ": " + value));
    }
    if (request.body) {
      const file = request.body.file();
      lines.push("--data-binary " + (file ? single("@" + file.name) : single(request.body.text())));
    }
    return lines.join(" \\\n  ");
  }

  const quoted = (text) => JSON.stringify(text);

  function python(request) {
    const needs = request.headers.concat(request.query).some((one) => one.variable) || request.signed;
    const secret = (one) => (one.prefix ? quoted(one.prefix) + " + " : "") + "os.environ[" + quoted(one.variable) + "]";
    const pair = (one) => "        " + quoted(one.name) + ": " + (one.variable ? secret(one) : quoted(one.value)) + ",";
    const lines = [];
    if (needs) lines.push("import os", "");
    lines.push("import requests");
    if (request.signed) lines.push("from requests_aws4auth import AWS4Auth");
    lines.push("", "answer = requests.request(", "    " + quoted(request.verb) + ",", "    " + quoted(base + request.path) + ",");
    if (request.query.length) lines.push("    params={", ...request.query.map(pair), "    },");
    if (request.headers.length) lines.push("    headers={", ...request.headers.map(pair), "    },");
    if (request.body) {
      const file = request.body.file();
      lines.push("    data=" + (file ? "open(" + quoted(file.name) + ", \"rb\")" : quoted(request.body.text()) + ".encode()") + ",");
    }
    if (request.signed) {
      lines.push("    auth=AWS4Auth(os.environ[\"AWS_ACCESS_KEY_ID\"], os.environ[\"AWS_SECRET_ACCESS_KEY\"], " + quoted(request.signed) + ", \"execute-api\"),");
    }
    lines.push("    timeout=60,", ")", "print(answer.status_code, answer.text)");
    return lines.join("\n");
  }

  // Sending

  async function go(request, send, stop, place) {
    place.hidden = false;
    if (request.missing.length) {
      for (const { input } of request.missing) input.setAttribute("aria-invalid", "true");
      request.missing[0].input.focus();
      const names = request.missing.map(({ name }) => name).join(", ");
      place.replaceChildren(make("p", { class: "trouble", text: "It needs a value for " + names + "." }));
      return;
    }
    if (request.headers.some((one) => /[^\t\x20-\x7e\x80-\xff]/.test(one.value))) {
      place.replaceChildren(make("p", { class: "trouble", text: "A header holds letters that headers cannot hold." }));
      return;
    }
    const own = (running = new AbortController());
    send.disabled = true;
    stop.hidden = false;
    place.replaceChildren(make("p", { class: "faint", text: "Waiting for the answer\u2026" }));
    const began = performance.now();
    try {
      const headers = new Headers();
      for (const one of request.headers) if (!one.empty) headers.append(one.name, one.value);
      const body = request.body ? request.body.file() || request.body.text() : undefined;
      const response = await fetch(address(request), {
        method: request.verb, headers, body, redirect: "manual", credentials: "omit", cache: "no-store", signal: own.signal,
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      await answered(place, response, bytes, performance.now() - began);
    } catch (error) {
      const text = own.signal.aborted ? "It was stopped." : "No answer came: " + error.message;
      place.replaceChildren(make("p", { class: "trouble", text }));
    } finally {
      send.disabled = false;
      stop.hidden = true;
      if (running === own) running = null;
    }
  }

  async function answered(place, response, bytes, took) {
    if (response.type === "opaqueredirect") {
      place.replaceChildren(
        make("h3", { text: "Answer" }),
        make("div", { class: "row" }, make("span", { class: "status turn", text: "3xx" }), make("span", { class: "faint", text: milliseconds(took) })),
        make("p", { class: "gap", text: "It leads to another address. Browsers do not tell pages which; the command below with -i does." }));
      return;
    }
    const kind = (response.headers.get("content-type") || "").toLowerCase();
    const status = response.status < 300 ? "good" : response.status < 400 ? "turn" : "bad";
    const lines = [...response.headers].map(([name, value]) => make("tr", {}, make("th", { scope: "row", text: name }), make("td", { text: value })));
    place.replaceChildren(
      make("h3", { text: "Answer" }),
      make("div", { class: "row" },
        make("span", { class: "status " + status, text: [response.status, response.statusText].filter(Boolean).join(" ") }),
        make("span", { class: "faint", text: milliseconds(took) + " \u00b7 " + size(bytes.length) }),
        bytes.length ? save(bytes, kind) : null),
      make("details", { class: "gap" }, make("summary", { text: "Headers (" + lines.length + ")" }), make("table", { class: "plain" }, make("tbody", {}, lines))),
      ...contents(bytes, kind));
  }

  const milliseconds = (time) => (time < 10 ? time.toFixed(1) : Math.round(time)) + " ms";
  const size = (bytes) => (bytes < 1000 ? bytes + " bytes" : bytes < 1e6 ? (bytes / 1e3).toFixed(1) + " kB" : (bytes / 1e6).toFixed(1) + " MB");

  function save(bytes, kind) {
    const ends = [["ndjson", "jsonl"], ["json", "json"], ["csv", "csv"], ["parquet", "parquet"], ["arrow", "arrow"], ["html", "html"], ["text/", "txt"]];
    const [, end] = ends.find(([word]) => kind.includes(word)) || ["", "bin"];
    return make("button", { type: "button", class: "small", text: "Save", onclick: () => {
      // Never opened as a page of this host.
      const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
      make("a", { href: url, download: "answer." + end }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    } });
  }

  function contents(bytes, kind) {
    if (!bytes.length) return [make("p", { class: "faint gap", text: "It has no body." })];
    let text;
    try { text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); } catch {
      return [make("p", { class: "faint gap", text: "The body is no text; it can be saved." })];
    }
    if (/[\/+]json\b/.test(kind)) {
      try { JSON.parse(text); return [coloured(text)]; } catch { /* It is shown as it came. */ }
    }
    if (kind.startsWith("text/csv")) {
      const found = csv(text);
      if (found.rows.length && found.rows[0].length) return table(found);
    }
    const shown = text.length > SHOWN_TEXT ? text.slice(0, SHOWN_TEXT) + "\n\u2026" : text;
    return [make("pre", { tabindex: "0", "aria-label": "Body" }, make("code", { text: shown }))];
  }

  /** JSON with indents and colours; numbers stay as they were written. */
  function coloured(text) {
    const code = make("code"), pre = make("pre", { tabindex: "0", "aria-label": "Body" }, code);
    if (text.length > COLOURED) { code.textContent = text.slice(0, SHOWN_TEXT) + (text.length > SHOWN_TEXT ? "\n\u2026" : ""); return pre; }
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+/g) || [];
    let depth = 0, plain = "";
    const flush = () => { if (plain) { code.append(plain); plain = ""; } };
    const line = () => "\n" + "  ".repeat(depth);
    tokens.forEach((token, at) => {
      const next = tokens[at + 1];
      if (token === "{" || token === "[") {
        plain += token;
        if (next === "}" || next === "]") return;
        depth++;
        plain += line();
      } else if (token === "}" || token === "]") {
        const before = tokens[at - 1];
        if (before !== "{" && before !== "[") { depth--; plain += line(); }
        plain += token;
      } else if (token === ",") plain += "," + line();
      else if (token === ":") plain += ": ";
      else {
        flush();
        const mark = token[0] === "\"" ? (next === ":" ? "k" : "s") : /^[tfn]/.test(token) ? "w" : "n";
        code.append(make("span", { class: mark, text: token }));
      }
    });
    flush();
    return pre;
  }

  function csv(text) {
    const rows = [];
    let row = [], cell = "", inside = false, at = 0;
    for (; at < text.length && rows.length <= SHOWN_ROWS; at++) {
      const letter = text[at];
      if (inside) {
        if (letter === "\"" && text[at + 1] === "\"") { cell += "\""; at++; }
        else if (letter === "\"") inside = false;
        else cell += letter;
      } else if (letter === "\"" && cell === "") inside = true;
      else if (letter === ",") { row.push(cell); cell = ""; }
      else if (letter === "\n") { row.push(cell.replace(/\r$/, "")); rows.push(row); row = []; cell = ""; }
      else cell += letter;
    }
    if (row.length || cell) { row.push(cell); rows.push(row); }
    return { rows, more: at < text.length };
  }

  function table({ rows, more }) {
    const [names, ...lines] = rows.map((row) => row.slice(0, SHOWN_COLUMNS));
    const kind = (text) => text !== "" && Number.isFinite(Number(text)) ? "number" : null;
    // A name stands where its numbers stand.
    const above = (at) => lines.length ? kind(lines[0][at] || "") : null;
    const head = make("tr", {}, names.map((text, at) => make("th", { scope: "col", text, class: above(at) })));
    const body = lines.slice(0, SHOWN_ROWS).map((row) => make("tr", {}, row.map((text) =>
      make("td", { text, class: kind(text) }))));
    const shown = [make("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Body" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, body)))];
    if (more) shown.push(make("p", { class: "faint", text: "These are the first " + SHOWN_ROWS + " rows; all of them can be saved." }));
    return shown;
  }

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  // The page

  function chosen() {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { /* No call has such a name. */ }
    return calls.find((call) => call.id === id || call.others.some((other) => other.id === id)) || null;
  }

  function turn() {
    if (location.hash === "#main") return;
    const call = chosen();
    const wide = matchMedia("(min-width: 801px)").matches;
    show(call || (wide ? calls[0] || null : null));
    if (!wide) scrollTo(0, 0);
  }

  /** Asks for what the owner of the API wants of who reads its document. */
  function ask(problem, trouble) {
    spec = problem;
    const schemes = schemesOf({});
    const form = make("form", { class: "call", autocomplete: "off", onsubmit: (event) => {
      event.preventDefault();
      // Once is enough: the answer puts another form, or the document, in its place.
      for (const button of form.querySelectorAll("button")) button.disabled = true;
      begin(schemes);
    } },
      make("h2", { text: "This API is described to those who may call it" }),
      make("section", { class: "card" }, make("h3", { text: "Who calls" }), make("div", { class: "fields" }, secretFields(schemes, () => {}))),
      trouble ? make("p", { class: "trouble", role: "alert", text: trouble }) : null,
      schemes.every(({ scheme }) => isSigned(scheme)) ? null : make("div", { class: "row" }, make("button", { class: "main", type: "submit", text: "Read" })));
    form.noValidate = true;
    byId("main").replaceChildren(form);
    byId("document").hidden = true;
    document.body.classList.add("one");
    const first = form.querySelector("input");
    if (first) first.focus();
  }

  /** Where the document is for who brings what was asked for. */
  function brought(schemes) {
    const headers = new Headers(), query = [];
    for (const { name, scheme } of schemes) {
      const place = placeOf(scheme, name), value = secrets.get(name);
      if (!value || isSigned(scheme)) continue;
      if (place.in === "query") query.push(encodeURIComponent(place.name) + "=" + encodeURIComponent(value));
      else headers.append(place.name, place.prefix + value);
    }
    return { headers, url: "openapi.json" + (query.length ? "?" + query.join("&") : "") };
  }

  async function begin(schemes = []) {
    try {
      const { headers, url } = brought(schemes);
      const response = await fetch(url, { credentials: "omit", headers });
      if (!response.ok) {
        const problem = await response.json().catch(() => ({}));
        if (!Array.isArray(problem.security) || !problem.security.length) throw new Error("status " + response.status);
        ask(problem, schemes.length ? "Not let in: " + problem.detail : "");
        return;
      }
      spec = await response.json();
    } catch (error) {
      const trouble = "The document cannot be read: " + error.message;
      if (schemes.length) { ask(spec, trouble); return; }
      byId("main").replaceChildren(make("p", { class: "trouble", role: "alert", text: trouble }));
      document.body.classList.add("one");
      return;
    }
    document.title = byId("title").textContent = spec.info.title;
    byId("version").textContent = spec.info.version === "1" ? "" : "version " + spec.info.version;
    byId("address").textContent = base;
    if (spec.info.description) { byId("about").textContent = spec.info.description; byId("about").hidden = false; }
    calls = collect();
    list();
    byId("filter").addEventListener("input", filter);
    addEventListener("hashchange", turn);
    turn();
  }
  begin();
})();
