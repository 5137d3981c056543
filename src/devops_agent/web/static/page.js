// Keeps the page right without reloading: an event on the stream lets every region marked data-live be fetched anew.
"use strict";
(() => {
  const after = document.body.dataset.after;
  const light = document.getElementById("live");
  const spell = (s) => {
    const w = Math.max(0, Math.round(s));
    if (w < 60) return `${w} s`;
    if (w < 3600) return `${Math.floor(w / 60)} min ${w % 60} s`;
    if (w < 86400) return `${Math.floor(w / 3600)} h ${Math.floor((w % 3600) / 60)} min`;
    return `${Math.floor(w / 86400)} d ${Math.floor((w % 86400) / 3600)} h`;
  };
  setInterval(() => {
    for (const time of document.querySelectorAll("time.ago")) {
      const text = spell((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }, 1000);

  // A form that somebody is filling in is left alone.
  const busy = (region) => {
    const at = document.activeElement;
    if (region.contains(at) && at.matches("input, textarea, select")) return true;
    return [...region.querySelectorAll(".order[open], .answer input:not([type=hidden])")].some(
      (one) => one.matches("details") || one.value);
  };

  const replace = (fresh) => {
    for (const region of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(region.id);
      if (!other || other.innerHTML === region.dataset.was || busy(region)) continue;
      const open = [...region.querySelectorAll("details[open]")].map((one) => one.id);
      const closed = [...region.querySelectorAll("details:not([open])")].map((one) => one.id);
      const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const was = other.innerHTML;
      region.replaceChildren(...other.childNodes);
      region.hidden = other.hidden;
      region.dataset.was = was;
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      for (const id of closed) document.getElementById(id)?.removeAttribute("open");
      if (focused) region.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    }
  };

  let waiting = false;
  let again = false;
  const refresh = async () => {
    if (waiting) { again = true; return; }
    waiting = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (new URL(answer.url).pathname === "/login") location.assign(answer.url);
      else if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the light tells that the connection is gone */ }
    setTimeout(() => { waiting = false; if (again) { again = false; refresh(); } }, 300);
  };

  if (after === undefined || !light) return;
  const source = new EventSource(`/stream?after=${after}`);
  const say = (text, kind) => { light.textContent = text; light.className = `live ${kind}`; };
  let lost = false;
  source.addEventListener("open", () => { say("live", "on"); if (lost) refresh(); lost = false; });
  source.addEventListener("event", refresh);
  source.addEventListener("error", () => { lost = true; say("reconnecting", "off"); });
  setInterval(refresh, 15000);
})();
