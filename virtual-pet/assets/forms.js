// Forms that say in place why they cannot be sent, so that nothing typed is lost. Without a script the server's page says it.
export function startForms() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-explains]");
    if (!form) return;
    event.preventDefault();
    const error = form.querySelector("[role=alert]");
    error.hidden = true;
    const response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(new FormData(form)),
    }).catch(() => null);
    if (response?.ok) { location.href = response.url; return; }
    const told = await response?.json().catch(() => null);
    error.textContent = told?.message ?? "The server does not answer just now. Try again in a moment.";
    error.hidden = false;
    form.querySelector("input:not([type=hidden], [type=radio])").focus();
  });
}
