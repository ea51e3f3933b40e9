// What the page is made of.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// A person keeps the colour, whatever the name.
export function coloured(node, who) {
  node.style.setProperty("--hue", parseInt(who.slice(0, 6), 16) % 360);
  return node;
}

export function avatar({ who, name }) {
  const node = element("span", { className: "avatar" }, [...name][0].toUpperCase());
  node.ariaHidden = "true";
  return coloured(node, who);
}
