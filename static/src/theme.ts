/** Light or dark: the system's choice until the reader makes one, which this browser remembers. */

import type { Theme } from "./draw/colour";

const KEY = "convscope-theme";

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null; // storage may be forbidden; the system's choice stands
  }
}

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  if (chosen === "dark" || chosen === "light") return chosen;
  return window.matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** Takes the other theme, remembers it and tells the page by the event `themechange`. */
export function toggleTheme(): void {
  const theme = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Not remembered, then; it still holds for this page.
  }
  document.dispatchEvent(new CustomEvent("themechange"));
}

/** Wires the theme once; the module runs on every page. */
function start(): void {
  const theme = stored();
  if (theme !== null) document.documentElement.dataset["theme"] = theme;
  for (const toggle of document.querySelectorAll("[data-theme-toggle]")) toggle.addEventListener("click", toggleTheme);
  window.matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}

start();
