export type Theme = "dark" | "light";

/** theme is what public/theme.js decided before the first paint, or what was chosen since. */
export function theme(): Theme {
  return document.documentElement.classList.contains("dark") ? "dark" : "light";
}

export function setTheme(next: Theme) {
  document.documentElement.className = next;
  try {
    localStorage.setItem("cadre.theme", next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}
