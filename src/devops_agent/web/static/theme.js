// Sets the theme that was chosen before anything is painted.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* storage may be forbidden; then the system's theme holds */ }
