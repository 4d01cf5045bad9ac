// Runs before the first paint, so that nobody is flashed with the other theme.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("cadre.theme");
  } catch (e) {
    // Storage may be forbidden; the system's preference decides then.
  }
  var dark = chosen ? chosen === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.className = dark ? "dark" : "light";
})();
