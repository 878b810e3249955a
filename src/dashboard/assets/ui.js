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
      for (const part of parts()) if (shows(part, change)) window.htmx.trigger(part, "changed");
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
      for (const part of parts()) window.htmx.trigger(part, "changed");
      follow();
    }
  });
  window.addEventListener("pagehide", leave);
  follow();
})();
