// What the pages need beyond htmx: the viewer's own times, parts that arrive live, charts, toasts.
(() => {
  "use strict";
  const page = document.documentElement;
  const exact = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
    second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short",
  });
  const day = new Intl.DateTimeFormat(undefined, {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
  });

  function span(millis) {
    const s = Math.max(0, Math.floor(millis / 1000));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
    return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  }

  function ago(at, now) {
    const millis = now - at;
    if (millis < 5_000 && millis > -5_000) return "just now";
    if (millis < 0) return "in " + span(-millis);
    if (millis < 60_000) return Math.floor(millis / 1000) + " s ago";
    if (millis < 3_600_000) return Math.floor(millis / 60_000) + " min ago";
    if (millis < 86_400_000) return Math.floor(millis / 3_600_000) + " h ago";
    return day.format(at);
  }

  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function times(root) {
    const now = Date.now();
    for (const element of root.querySelectorAll("time[data-at]")) {
      const at = new Date(element.dataset.at);
      say(element, ago(at, now));
      element.title = exact.format(at);
    }
    for (const element of root.querySelectorAll("time[data-exact]")) {
      element.title = exact.format(new Date(element.dataset.exact));
    }
    for (const element of root.querySelectorAll("[data-since]")) {
      say(element, span(now - new Date(element.dataset.since)));
    }
  }

  // --- charts

  const charts = new Map();
  const KINDS = {
    runs: [["Accepted", "--line"], ["Ended well", "--good"], ["Failed", "--bad"]],
    wait: [["Median", "--line"], ["p99", "--warn"]],
  };

  function colour(name) {
    return getComputedStyle(page).getPropertyValue(name).trim();
  }

  function millis(value) {
    if (value == null) return "–";
    return value < 1000 ? Math.round(value) + " ms" : (value / 1000).toFixed(1) + " s";
  }

  function draw(element) {
    const kind = element.dataset.kind;
    const data = JSON.parse(element.dataset.chart);
    const known = charts.get(element);
    if (known) {
      known.setData(data);
      return;
    }
    const text = colour("--muted");
    const shown = kind === "wait" ? millis : (value) => (value == null ? "–" : String(value));
    const axis = { stroke: text, grid: { stroke: colour("--border"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const chart = new uPlot({
      width: Math.max(200, element.clientWidth),
      height: 180,
      padding: [8, 8, 0, 0],
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (u, low, high) => [0, Math.max(high == null ? 0 : high * 1.1, kind === "wait" ? 100 : 4)] } },
      axes: [
        { ...axis, space: 60, values: (u, all) => all.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })) },
        { ...axis, size: 56, values: (u, all) => all.map(shown) },
      ],
      series: [
        { label: "Minute", value: (u, at) => (at == null ? "–" : new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })) },
        ...KINDS[kind].map(([label, name], i) => ({
          label,
          stroke: colour(name),
          width: 2,
          fill: i === 0 ? colour(name) + "1a" : undefined,
          points: { show: kind === "wait", size: 4 },
          spanGaps: true,
          value: (u, value) => shown(value),
        })),
      ],
    }, data, element);
    charts.set(element, chart);
    new ResizeObserver(() => {
      if (element.isConnected && element.clientWidth) chart.setSize({ width: element.clientWidth, height: 180 });
    }).observe(element);
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [element, chart] of charts) {
      chart.destroy();
      charts.delete(element);
      draw(element);
    }
  });

  // --- parts that arrive live

  function enliven(root) {
    times(root.parentNode || root);
    if (root.matches("[data-chart]")) draw(root);
    root.querySelectorAll("[data-chart]").forEach(draw);
    htmx.process(root);
  }

  const ACTS = ["hx-post", "hx-get", "hx-trigger"];

  function alike(old, fresh) {
    return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName &&
      (old.nodeType !== Node.ELEMENT_NODE ||
        (old.id === fresh.id && ACTS.every((name) => old.getAttribute(name) === fresh.getAttribute(name))));
  }

  // Makes what is shown like what came, and leaves alone what a person has opened, typed or focused.
  function morph(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    const chart = old.matches("[data-chart]");
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open" && name !== "title" && name !== "class") old.removeAttribute(name);
    }
    if (chart) {
      draw(old);
      return;
    }
    if (old.matches("time[data-at],[data-since],input,textarea,select")) return;
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const byId = child.id && at && at.id !== child.id ? [...old.children].find((one) => one.id === child.id) : null;
      if (byId) old.insertBefore(byId, at), (at = byId);
      if (at && alike(at, child)) {
        morph(at, child);
        at = at.nextSibling;
      } else {
        old.insertBefore(child, at);
        if (child.nodeType === Node.ELEMENT_NODE) enliven(child);
        if (at && !alike(at, child) && at.nodeName === child.nodeName) {
          const over = at;
          at = at.nextSibling;
          over.remove();
        }
      }
    }
    while (at) {
      const over = at;
      at = at.nextSibling;
      over.remove();
    }
  }

  function atEnd() {
    return window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
  }

  function place(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const follow = document.querySelector("[data-home]") && atEnd();
    for (const fresh of [...template.content.children]) {
      const old = document.getElementById(fresh.id);
      if (old) {
        morph(old, fresh);
        times(old);
        continue;
      }
      const home = document.querySelector(`[data-home="${fresh.dataset.in}"]`);
      if (!home) continue;
      const turn = Number(fresh.dataset.turn);
      const next = [...home.children].find((one) => Number(one.dataset.turn) > turn);
      home.insertBefore(fresh, next || null);
      enliven(fresh);
    }
    if (follow) window.scrollTo({ top: document.body.scrollHeight });
  }

  // --- the stream: what it says of itself, and that it rests while nobody looks

  const link = document.getElementById("link");
  let lostAt = 0;

  function state(name, text) {
    if (!link || link.dataset.state === name) return;
    link.dataset.state = name;
    link.lastElementChild.textContent = text;
  }

  function elsewhere() {
    const others = [...document.querySelectorAll("[data-other]")].map((one) => one.dataset.other);
    const known = JSON.parse(sessionStorage.getItem("replicas") || "[]");
    if (others.length) sessionStorage.setItem("replicas", JSON.stringify(others));
    return (others.length ? others : known).filter((one) => !one.startsWith(location.origin));
  }

  function lost() {
    if (document.hidden) return;
    if (!lostAt) lostAt = Date.now();
    state("lost", "Reconnecting");
    const other = elsewhere()[0];
    if (Date.now() - lostAt > 2_000 && other && !link.querySelector("a")) {
      const there = document.createElement("a");
      there.href = other + location.pathname + location.search;
      there.textContent = "go to another replica";
      link.append(" · ", there);
    }
  }

  document.addEventListener("htmx:sseOpen", () => {
    lostAt = 0;
    state("live", "Live");
    link?.querySelectorAll("a").forEach((one) => (one.previousSibling?.remove(), one.remove()));
  });
  document.addEventListener("htmx:sseError", lost);
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    event.preventDefault();
    if (event.detail.type === "part") place(event.detail.data);
    if (event.detail.type === "over") location.reload();
    if (event.detail.type === "gone") {
      state("gone", "It was deleted");
      rest();
    }
  });

  function rest() {
    const live = document.getElementById("live");
    live?.dispatchEvent(new CustomEvent("htmx:beforeCleanupElement", { bubbles: true, detail: { elt: live } }));
  }

  let resting = 0;
  document.addEventListener("visibilitychange", () => {
    const live = document.getElementById("live");
    if (!live) return;
    clearTimeout(resting);
    if (document.hidden) {
      resting = setTimeout(() => {
        rest();
        resting = -1;
      }, 5_000);
    } else if (resting === -1) {
      const again = live.cloneNode(false);
      live.replaceWith(again);
      htmx.process(again);
    }
  });

  // --- what forms say

  function toast(text, bad) {
    const one = document.createElement("p");
    one.className = bad ? "bad" : "";
    one.textContent = text;
    document.getElementById("toasts").append(one);
    setTimeout(() => one.remove(), bad ? 8_000 : 4_000);
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const said = event.detail.xhr?.getResponseHeader("X-Said");
    if (event.detail.successful && said) toast(decodeURIComponent(said));
    if (event.detail.successful && event.target.matches?.("[data-reset]")) event.target.reset();
    if (event.detail.successful) event.target.closest?.("details.menu")?.removeAttribute("open");
  });
  document.addEventListener("htmx:responseError", (event) => toast(event.detail.xhr.responseText || "That did not work", true));
  document.addEventListener("htmx:sendError", () => toast("The server does not answer; nothing was sent", true));
  document.addEventListener("htmx:afterSwap", (event) => times(event.target.parentNode || document));
  document.addEventListener("htmx:load", (event) => times(event.detail.elt.parentNode || document));

  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => toast("Copied"));
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    }
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input,textarea,select");
    if (event.key === "Enter" && !event.shiftKey && event.target.matches("[data-enter]")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
    if (event.key === "/" && !typing) {
      const search = document.querySelector("input[type=search], .filters select, textarea");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
    if (event.key === "Escape") {
      const menu = event.target.closest("details.menu[open]");
      if (menu) {
        menu.removeAttribute("open");
        menu.querySelector("summary").focus();
      }
    }
  });

  document.querySelector(".side nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  times(document);
  elsewhere();
  document.querySelectorAll("[data-chart]").forEach(draw);
  setInterval(() => times(document), 1_000);
  if (document.querySelector("[data-home]") && !location.hash) window.scrollTo({ top: document.body.scrollHeight });
})();
