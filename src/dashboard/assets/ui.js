// Follows changes: the server names what changed, and each part of the page that shows it is fetched again.
"use strict";
(() => {
  const REST = 1000; // milliseconds between two requests of a part, where it does not say otherwise
  const LOOK_AGAIN = 2000; // milliseconds between two looks at what is still being made

  const parts = () => [...document.querySelectorAll("[data-live]")];
  const badge = document.getElementById("live");
  let source = null;

  const shows = (part, change) => {
    const project = part.dataset.project;
    const kinds = part.dataset.live.split(" ");
    return (!project || Number(project) === change.project) && change.kinds.some((kind) => kinds.includes(kind));
  };

  const asked = new Map(); // by id of a part: when it was asked for last
  const later = new Set(); // ids of those that are asked for after a rest

  const ask = (part) => {
    asked.set(part.id, performance.now());
    const id = `#${part.id}`;
    const how = { source: part, target: part, select: id, swap: "outerHTML" };
    // What fails now is asked for at the next change.
    window.htmx.ajax("GET", location.pathname + location.search, how).catch(() => {});
  };

  // Who reads or fills in a part with the keyboard keeps it until they leave it.
  const renew = (part) => {
    if (part.contains(document.activeElement)) {
      part.dataset.stale = "";
      return;
    }
    const last = asked.get(part.id) ?? -Infinity;
    const rest = last + Number(part.dataset.rest ?? REST) - performance.now();
    if (rest <= 0) {
      ask(part);
    } else if (!later.has(part.id)) {
      later.add(part.id);
      setTimeout(() => {
        later.delete(part.id);
        const now = document.getElementById(part.id);
        if (now) renew(now);
      }, rest);
    }
  };

  // What was ready before anybody listened is told to nobody.
  setInterval(() => {
    if (!document.hidden) document.querySelectorAll("[data-waiting]").forEach(renew);
  }, LOOK_AGAIN);

  const follow = () => {
    if (source || document.hidden || parts().length === 0) return;
    source = new EventSource("/ui/events");
    source.addEventListener("open", () => { badge.hidden = false; });
    source.addEventListener("error", () => {
      badge.hidden = true;
      // A refusal ends the stream for good; an interruption is tried again by the browser.
      if (source && source.readyState === EventSource.CLOSED) leave();
    });
    source.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      for (const part of parts()) if (shows(part, change)) renew(part);
    });
  };

  const leave = () => {
    if (source) source.close();
    source = null;
    if (badge) badge.hidden = true;
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      leave();
    } else {
      parts().forEach(renew);
      follow();
    }
  });
  window.addEventListener("pagehide", leave);
  document.addEventListener("focusout", () => {
    setTimeout(() => document.querySelectorAll("[data-stale]").forEach(renew));
  });

  // "Show more" adds what is new below what is there, and leaves the page where it is.
  const more = async (link) => {
    const part = link.closest("[data-live]");
    const answer = await fetch(link.href, { credentials: "same-origin" });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
    const [list, listed] = [part, next].map((one) => one && one.querySelector("ol"));
    // Another page, as when the session is over: it is shown as it is.
    if (!answer.ok || !list || !listed) throw new Error("not the page that was asked for");
    const [shown, all] = [[...list.children], [...listed.children]];
    const isSame = shown.every((item, place) => all[place] && all[place].dataset.task === item.dataset.task);
    if (isSame) list.append(...all.slice(shown.length));
    else list.replaceChildren(...all);
    const after = next.querySelector("[data-more]");
    if (after) link.replaceWith(after);
    else link.parentElement.remove();
    // What follows changes asks for as many.
    history.replaceState(history.state, "", link.href.split("#")[0]);
    list.children[shown.length]?.focus({ preventScroll: true });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-more]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.getAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    more(link).catch(() => location.assign(link.href));
  });

  // What was unfolded stays unfolded in the part that takes its place.
  const unfolded = new Map();
  const folds = (part) => [...part.querySelectorAll("details")];
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (part.id) unfolded.set(part.id, folds(part).map((fold) => fold.open));
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const [id, open] of unfolded) {
      const part = document.getElementById(id);
      if (part) folds(part).forEach((fold, index) => { fold.open ||= open[index] === true; });
    }
    unfolded.clear();
  });

  follow();
})();
