// Keeps the page right without reloading: an event on the stream lets every region marked data-live be fetched anew.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const remember = (name, value) => {
    try {
      if (value === undefined) return localStorage.getItem(name) ?? "";
      if (value) localStorage.setItem(name, value); else localStorage.removeItem(name);
    } catch { /* storage may be forbidden */ }
    return value ?? "";
  };

  // Times
  const spell = (s) => {
    const w = Math.max(0, Math.round(s));
    if (w < 60) return `${w} s`;
    if (w < 3600) return `${Math.floor(w / 60)} min ${w % 60} s`;
    if (w < 86400) return `${Math.floor(w / 3600)} h ${Math.floor((w % 3600) / 60)} min`;
    return `${Math.floor(w / 86400)} d ${Math.floor((w % 86400) / 3600)} h`;
  };
  setInterval(() => {
    if (document.hidden) return;
    for (const time of all("time.ago")) {
      const text = spell((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }, 1000);

  // Theme
  const theme = $("theme");
  $("tools").hidden = false;
  theme.value = remember("theme");
  theme.addEventListener("change", () => {
    remember("theme", theme.value);
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
  });

  // Keyboard
  const typing = (at) => at.matches("input, textarea, select, [contenteditable]");
  const dialog = $("keys");
  const switched = $("keys-on");
  const help = () => { if (!dialog.open) dialog.showModal(); };
  let leading = 0;
  if (dialog) {
    $("help").addEventListener("click", help);
    switched.checked = remember("keys") !== "off";
    switched.addEventListener("change", () => remember("keys", switched.checked ? "" : "off"));
    document.addEventListener("keydown", (pressed) => {
      if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || typing(pressed.target) || !switched.checked) return;
      const led = Date.now() - leading < 1500;
      leading = 0;
      if (led) document.querySelector(`.bar [data-key="${CSS.escape(pressed.key)}"]`)?.click();
      else if (pressed.key === "g") leading = Date.now();
      else if (pressed.key === "?") help();
      else if (pressed.key === "/") {
        pressed.preventDefault();
        if ($("find")) $("find").focus(); else location.assign("/targets#find");
      }
    });
  }
  if (location.hash === "#find") $("find")?.focus();
  // A grid of links is one stop of the Tab key; arrows move within.
  document.addEventListener("keydown", (pressed) => {
    const cells = pressed.target.closest?.(".cells");
    if (!cells) return;
    const links = all("a:not([hidden])", cells);
    const at = links.indexOf(pressed.target);
    const row = links.filter((one) => one.offsetTop === links[0].offsetTop).length;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row, Home: 0, End: links.length - 1 }[pressed.key];
    if (links[to] === undefined) return;
    pressed.preventDefault();
    pressed.target.tabIndex = -1;
    links[to].tabIndex = 0;
    links[to].focus();
  });

  // Finding
  const find = $("find");
  const sift = () => {
    if (!find || !find.dataset.sifts) return;
    const words = find.value.toLowerCase();
    const named = all("[data-name]", $(find.dataset.sifts));
    let left = 0;
    for (const one of named) {
      one.hidden = Boolean(words) && !one.dataset.name.toLowerCase().includes(words);
      if (!one.hidden) left += 1;
    }
    $("found").textContent = words ? `${left} of ${named.length}` : "";
  };
  find?.addEventListener("input", sift);

  // Live regions: what somebody reads, fills in or marks is left alone.
  const changed = (field) =>
    field.type === "hidden" ? false
      : field.matches("[type=checkbox], [type=radio]") ? field.checked !== field.defaultChecked
        : field.matches("select") ? [...field.options].some((one) => one.selected !== one.defaultSelected) && field.selectedIndex > 0
          : field.value !== field.defaultValue;
  const busy = (region) => {
    const at = document.activeElement;
    const marked = getSelection();
    return (region.contains(at) && typing(at)) || region.querySelector(".order[open], dialog[open]") !== null
      || (!marked.isCollapsed && region.contains(marked.anchorNode))
      || all("input, textarea, select", region).some(changed);
  };
  // Time goes on by itself, so it is no reason to swap anything.
  const mark = (region) => region.innerHTML.replace(/(<time class="ago"[^>]*>)[^<]*/g, "$1");

  const replace = (fresh) => {
    document.title = fresh.title;
    for (const region of all("[data-live]")) {
      const other = fresh.getElementById(region.id);
      if (!other) continue;
      region.hidden = other.hidden;
      const now = mark(other);
      region.dataset.was ??= mark(region);
      if (now === region.dataset.was || busy(region)) continue;
      const open = new Map(all("details[id]", region).map((one) => [one.id, one.open]));
      const at = region.contains(document.activeElement) ? document.activeElement : null;
      const link = at?.getAttribute("href");
      const same = at?.id ? `#${CSS.escape(at.id)}` : link ? `a[href="${CSS.escape(link)}"]` : null;
      const summary = at?.matches("summary") ? at.parentElement.id : "";
      region.replaceChildren(...other.childNodes);
      region.dataset.was = now;
      for (const [id, was] of open) $(id)?.toggleAttribute("open", was);
      if (summary) $(summary)?.querySelector("summary").focus();
      else if (same) region.querySelector(same)?.focus();
    }
    sift();
  };

  let waiting = false;
  let again = false;
  const refresh = async () => {
    if (waiting || document.hidden) { again = true; return; }
    waiting = true;
    const began = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (new URL(answer.url).pathname === "/login") location.assign(answer.url);
      else if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the light tells that the connection is gone */ }
    // The more a page costs the server, the seldomer it is asked for.
    setTimeout(() => { waiting = false; if (again) { again = false; refresh(); } }, Math.max(300, 5 * (Date.now() - began)));
  };

  const light = $("live");
  const after = document.body.dataset.after;
  if (after === undefined || !light) return;
  const say = (text, kind) => {
    if (light.textContent === text) return;
    light.textContent = text;
    light.className = `live ${kind}`;
  };
  let source = null;
  let seen = after;
  let lost = 0;
  const tellCut = () => {
    $("cut").hidden = false;
    $("cut").querySelector("time").textContent = new Date(lost).toISOString().slice(11, 19);
    say("not live", "off");
  };
  const listen = () => {
    source = new EventSource(`/stream?after=${seen}`);
    source.addEventListener("open", () => {
      if (lost) refresh();
      lost = 0;
      $("cut").hidden = true;
      say("live", "on");
    });
    source.addEventListener("event", (event) => { seen = event.lastEventId; refresh(); });
    source.addEventListener("error", () => {
      lost ||= Date.now();
      setTimeout(() => { if (lost) tellCut(); }, 1500);
      // The browser gives up after an answer that is no stream; so it is tried anew by hand.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (lost && !document.hidden) { source.close(); listen(); refresh(); } }, 5000);
    });
  };
  // Browsers allow six streams to a server: a tab that nobody sees must not hold one.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else { listen(); again = false; refresh(); }
  });
  if (!document.hidden) listen();
  setInterval(refresh, 15000);
})();
