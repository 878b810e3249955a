// Follows changes: the server names what changed, and each part of the page that shows it fetches itself again.
"use strict";
(() => {
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const badge = document.getElementById("live");
  let source = null;

  const shows = (part, change) => {
    const project = part.dataset.project;
    const kinds = part.dataset.live.split(" ");
    return (!project || Number(project) === change.project) && change.kinds.some((kind) => kinds.includes(kind));
  };

  // Who reads or fills in a part with the keyboard keeps it until they leave it.
  const renew = (part) => {
    if (part.contains(document.activeElement)) {
      part.dataset.stale = "";
    } else {
      window.htmx.trigger(part, "changed");
    }
  };

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
