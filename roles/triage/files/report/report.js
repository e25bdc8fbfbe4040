/* Copyright (c) 2026, incident.distroless maintainers
   GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later */
// Search and sort. Without this script everything can be read as well.
"use strict";

function rowsOf(table) {
  return Array.from(table.tBodies[0].rows);
}

function sortKey(row, column) {
  const cell = row.cells[column];
  return cell.dataset.sort ?? cell.textContent;
}

function sortBy(table, head, column) {
  const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const order = new Intl.Collator("en", { numeric: true });
  const sorted = rowsOf(table).sort((left, right) => sign * order.compare(sortKey(left, column), sortKey(right, column)));
  table.tBodies[0].append(...sorted);
}

function makeSortable(table) {
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head, column));
  });
}

function makeSearchable(box) {
  const input = box.querySelector("input");
  const count = box.querySelector("output");
  const table = document.querySelector(`table[data-id="${CSS.escape(input.dataset.table)}"]`);
  box.hidden = false;
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rowsOf(table)) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = wanted ? `${shown} of ${rowsOf(table).length}` : "";
  });
}

document.querySelectorAll("table[data-id]").forEach(makeSortable);
document.querySelectorAll(".search").forEach(makeSearchable);
// a printed page shows its evidence
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
