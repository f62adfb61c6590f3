// Sets the chosen theme before anything is drawn; a module would come too late.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the system's choice holds.
}
