// What a page can do beyond being read: sort, narrow, save a table as CSV, keep all that in the address and in the other
// language. Asks nobody for anything; without it every row is there, in order.
"use strict";
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const table = (name) => document.querySelector(`table[data-table="${CSS.escape(name)}"]`);
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const main = document.getElementById("main");
  const first = new Map(); // the rows of each table as they came
  const found = new Map(); // what each row holds, to look in

  for (const one of all("table[data-table]")) {
    const rows = [...one.tBodies[0].rows];
    first.set(one.dataset.table, rows);
    for (const row of rows) found.set(row, plain(row.textContent));
  }

  const column = (one, key) => [...one.tHead.rows[0].cells].findIndex((head) => head.dataset.key === key);

  function sort(name, key, direction) {
    const one = table(name);
    const at = column(one, key);
    if (at < 0) return;
    for (const head of one.tHead.rows[0].cells) {
      if (head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", head.dataset.key === key ? direction : "none");
    }
    const sign = direction === "descending" ? -1 : 1;
    const order = [...first.get(name)];
    if (direction !== "none") {
      order.sort((a, b) => sign * (a.cells[at].dataset.sort - b.cells[at].dataset.sort));
    }
    one.tBodies[0].append(...order);
  }

  function narrow(name) {
    const one = table(name);
    const wanted = all(`[data-filter="${CSS.escape(name)}"]`).map((field) => ({
      at: field.dataset.key ? column(one, field.dataset.key) : -1,
      value: field.dataset.key ? field.value : plain(field.value.trim()),
    }));
    let shown = 0;
    for (const row of first.get(name)) {
      const stays = wanted.every(({ at, value }) =>
        !value || (at < 0 ? found.get(row).includes(value) : row.cells[at].dataset.word === value));
      row.hidden = !stays;
      if (stays) shown += 1;
    }
    const count = document.querySelector(`[data-count="${CSS.escape(name)}"]`);
    if (count) {
      count.textContent = main.dataset.shown.replace("{shown}", shown).replace("{total}", first.get(name).length);
    }
  }

  // A cell that a spreadsheet would take for a formula gets an apostrophe, as in the service's own reports.
  const safe = (text) => text.replace(/(^|[,;|\t\r\n"])(?=[=+\-@\t\r＝＋－＠])/g, "$1'");
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const value = (cell) => cell.dataset.csv ?? safe(cell.textContent.trim());

  function csv(name) {
    const one = table(name);
    const rows = [one.tHead.rows[0], ...[...one.tBodies[0].rows].filter((row) => !row.hidden), ...(one.tFoot?.rows ?? [])];
    return "\ufeff" + rows.map((row) => [...row.cells].map((cell) => quoted(value(cell))).join(",") + "\r\n").join("");
  }

  // The address: #section?table.what=value&..
  function place() {
    const sections = all("main > section");
    const at = sections.filter((one) => one.getBoundingClientRect().top < 120).pop();
    return at ? at.id : "";
  }

  function state() {
    const told = new URLSearchParams();
    for (const field of all("[data-filter]")) {
      if (field.value) told.set(`${field.dataset.filter}.${field.dataset.key ?? "q"}`, field.value);
    }
    for (const head of all('th[aria-sort="ascending"], th[aria-sort="descending"]')) {
      told.set(`${head.closest("table").dataset.table}.sort`, `${head.dataset.key} ${head.getAttribute("aria-sort")}`);
    }
    return told.toString();
  }

  const address = (section) => `#${section}${state() ? `?${state()}` : ""}`;

  function remember() {
    history.replaceState(null, "", address(place()));
  }

  function restore() {
    const [section, told] = location.hash.slice(1).split("?");
    for (const [what, kept] of new URLSearchParams(told ?? "")) {
      const [name, key] = what.split(".");
      if (!table(name)) continue;
      if (key === "sort") {
        const [by, direction] = kept.split(" ");
        if (["ascending", "descending"].includes(direction)) sort(name, by, direction);
      }
      const fields = all(`[data-filter="${CSS.escape(name)}"]`);
      const field = fields.find((one) => (one.dataset.key ?? "q") === key);
      if (field) field.value = kept;
    }
    for (const name of first.keys()) if (document.querySelector(`[data-count="${CSS.escape(name)}"]`)) narrow(name);
    if (told !== undefined && section) document.getElementById(section)?.scrollIntoView();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("thead button");
    if (button) {
      const head = button.closest("th");
      const now = head.getAttribute("aria-sort");
      const numbers = head.classList.contains("number");
      const order = numbers ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
      sort(head.closest("table").dataset.table, head.dataset.key, order[(order.indexOf(now) + 1) % 3]);
      button.focus();
      remember();
    }
    const link = event.target.closest("a[data-download]");
    if (link) {
      const url = URL.createObjectURL(new Blob([csv(link.dataset.download)], { type: "text/csv;charset=utf-8" }));
      const save = document.createElement("a");
      save.href = url;
      save.download = link.download;
      event.preventDefault();
      save.click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    }
    const other = event.target.closest("a[data-switch-language]");
    if (other) other.href = other.getAttribute("href").split("#")[0] + address(place());
  });

  let waits;
  document.addEventListener("input", (event) => {
    const field = event.target.closest("[data-filter]");
    if (!field) return;
    clearTimeout(waits);
    narrow(field.dataset.filter);
    waits = setTimeout(remember, 150);
  });

  // What does nothing without this program is not offered without it.
  for (const tools of all(".tools")) tools.hidden = false;
  for (const button of all("thead button")) button.disabled = false;
  restore();
  performance.mark("pages-ready");
})();
