// Looks at the page that is shown, and returns what is wrong with it and what it links to.
//
// What it does not see: text over pictures or gradients, text in pictures and in SVG drawings (formulas), what appears on
// hover, focus or after a click, and whether a text that stands for a picture is a good one.
(() => {
  // What the page was made for. (innerWidth grows on a phone until the widest element fits.)
  const room = document.documentElement.clientWidth;
  const seen = (element) => {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    const box = element.getBoundingClientRect();
    // What is off the page to the left or clipped to a point is for screen readers, or waits to slide in.
    return box.width > 2 && box.height > 2 && box.right > 0 && box.left < room;
  };
  const colour = (text) => {
    const canvas = (colour.canvas ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }));
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const numbers = text.match(/^rgba?\(([^)]+)\)$/)?.[1].split(/[ ,/]+/).map(Number);
    if (numbers) return [...numbers.slice(0, 3), numbers[3] ?? 1];
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, bottom) => top.slice(0, 3).map((v, i) => v * top[3] + bottom[i] * (1 - top[3]));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const layer = colour(style.backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((bottom, layer) => over(layer, bottom), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const opacity = (element) => {
    let product = 1;
    for (let at = element; at; at = at.parentElement) product *= Number(getComputedStyle(at).opacity);
    return product;
  };
  const place = (element) => {
    const words = [];
    for (let at = element; at && at !== document.body && words.length < 3; at = at.parentElement)
      words.unshift(at.tagName.toLowerCase() + [...at.classList].slice(0, 2).map((name) => "." + name).join(""));
    return words.join(" > ");
  };

  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("svg, script, style, noscript, [aria-hidden=true], :disabled")) continue;
    if (!seen(element)) continue;
    const background = behind(element);
    if (!background) continue;
    const style = getComputedStyle(element);
    const ink = colour(style.color);
    const ratio = contrast(over([...ink.slice(0, 3), ink[3] * opacity(element)], background), background);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.01)
      faint.push(`${ratio.toFixed(2)} ${place(element)}: ${node.data.trim().slice(0, 40)}`);
  }

  const mute = [...document.images]
    .filter((image) => !image.closest("[aria-hidden=true], [role=presentation]"))
    .filter((image) => {
      const text = (image.getAttribute("alt") ?? "").trim();
      return !text || /\.(png|svg|jpe?g)$/i.test(text);
    })
    .map((image) => `${image.getAttribute("src").slice(0, 80)} alt=${image.getAttribute("alt")}`);

  const width = document.documentElement.scrollWidth;
  const wide = width <= room + 1 ? [] : [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > room + 1 && seen(element))
    .filter((element) => {
      for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
        if (getComputedStyle(at).overflowX !== "visible" && at.getBoundingClientRect().right <= room + 1) return false;
      return true;
    })
    .map((element) => `${Math.round(element.getBoundingClientRect().right)} px ${place(element)}`);
  return {
    faint: [...new Set(faint)],
    mute,
    wide: width > room + 1 ? [`page ${width} px`, ...wide.slice(0, 5)] : [],
    links: [...document.querySelectorAll("a[href]")].map((link) => link.href),
    ids: [...document.querySelectorAll("[id], a[name]")].map((element) => element.id || element.name),
    theme: document.documentElement.dataset.theme,
    height: document.documentElement.scrollHeight,
    formulas: document.querySelectorAll("mjx-container").length,
    language: document.documentElement.lang,
    title: document.title,
  };
})()
