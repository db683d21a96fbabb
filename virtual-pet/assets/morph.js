// Makes an element like new HTML while keeping its nodes: what has the same id or data-key stays the same node, with its focus and motion.

const keyOf = (node) => node.nodeType === 1 ? node.id || node.dataset.key || null : null;
// Set by the page itself; the server does not know of them.
const OURS = new Set(["data-chosen", "data-shown", "data-awaited", "data-busy", "data-lit", "data-hinted", "style"]);
const isOurs = (node, name) => OURS.has(name) || (name === "aria-current" && "select" in node.dataset);

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

export function morph(old, fresh) {
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !isOurs(old, name)) old.removeAttribute(name);
  const kept = new Map();
  for (const child of old.children) if (keyOf(child)) kept.set(keyOf(child), child);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    const match = key ? kept.get(key) : at && !keyOf(at) && alike(at, wanted) ? at : null;
    if (!match) { old.insertBefore(wanted, at); continue; }
    kept.delete(key);
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    if (match.nodeType === 1) morph(match, wanted);
    else if (match.nodeValue !== wanted.nodeValue) match.nodeValue = wanted.nodeValue;
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName;
