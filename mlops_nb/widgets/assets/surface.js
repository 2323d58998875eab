// Shows HTML that Python has written, and tells Python what was pressed in it.
// An element with data-do is pressed by click, Enter or Space; focus, open details and scroll
// positions survive a redraw where the element has a data-key.

let shortcutsMinded = false;

/** JupyterLab's command mode must not take Enter, Space and letters away from our buttons. */
function mindShortcuts() {
  if (shortcutsMinded) return;
  shortcutsMinded = true;
  document.addEventListener(
    "focusin",
    (event) => {
      const panel = event.target instanceof Element && event.target.closest(".mnb-panel");
      if (panel) panel.setAttribute("data-lm-suppress-shortcuts", "true");
    },
    true,
  );
}

/** The place of a picture: the whole output in JupyterLab, the picture alone elsewhere. */
const placeOf = (picture) => picture.closest(".jp-OutputArea-child") ?? picture;

/** While the live widget is on the page its picture is hidden; returns what shows it again. */
function hidePicture(el, id) {
  if (!id) return () => {};
  let hidden = [];
  let frame = 0;
  const look = (left) => {
    if (el.isConnected) {
      hidden = [...document.querySelectorAll(`[data-mnb-picture="${CSS.escape(id)}"]`)]
        .map(placeOf)
        .filter((place) => !place.contains(el));
      for (const place of hidden) place.style.display = "none";
      if (hidden.length) return;
    }
    if (left) frame = requestAnimationFrame(() => look(left - 1));
  };
  look(600);
  return () => {
    cancelAnimationFrame(frame);
    for (const place of hidden) place.style.display = "";
  };
}

function draw(el, html) {
  const focused = el.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  const open = new Set([...el.querySelectorAll("details[open][data-key]")].map((d) => d.dataset.key));
  const scrolled = [...el.querySelectorAll("[data-scroll]")].map((s) => [
    s.dataset.scroll,
    s.scrollLeft,
    s.scrollTop,
  ]);
  el.innerHTML = html;
  for (const details of el.querySelectorAll("details[data-key]"))
    if (open.has(details.dataset.key)) details.open = true;
  for (const [name, left, top] of scrolled) {
    const at = el.querySelector(`[data-scroll="${CSS.escape(name)}"]`);
    if (at) at.scrollTo(left, top);
  }
  if (focused) el.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function render({ model, el }) {
  mindShortcuts();
  el.classList.add("mnb", "mnb-surface");
  if (model.get("live")) el.setAttribute("aria-live", model.get("live"));
  const press = (event) => {
    const at = event.target.closest("[data-do]");
    if (!at || !el.contains(at) || at.getAttribute("aria-disabled") === "true") return;
    if (at.type !== "checkbox") event.preventDefault();
    model.send({ do: at.dataset.do, value: at.dataset.value ?? "" });
  };
  const key = (event) => {
    // Real buttons and boxes do this by themselves; shapes in a picture do not.
    const at = event.target.closest('[role="button"][data-do]');
    if (at && (event.key === "Enter" || event.key === " ")) press(event);
  };
  const redraw = () => draw(el, model.get("html"));
  el.addEventListener("click", press);
  el.addEventListener("keydown", key);
  model.on("change:html", redraw);
  redraw();
  const show = hidePicture(el, model.get("picture"));
  return () => {
    show();
    model.off("change:html", redraw);
    el.removeEventListener("click", press);
    el.removeEventListener("keydown", key);
  };
}

export default { render };
