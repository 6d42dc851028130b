// Everything that moves in the HTML report: tooltips, sorting and filtering of tables, choice of policies. Data are text: nothing from a result becomes markup or code.
'use strict';
const report = JSON.parse(document.getElementById('report-data').textContent);
const hiddenRuns = new Set();
document.documentElement.classList.add('live');

// --- Tooltip: one element, filled by text nodes, over the places that the drawings report.
const REACH = 14;
const tip = document.createElement('div');
tip.className = 'tip';
tip.setAttribute('role', 'status');
tip.hidden = true;
document.body.append(tip);

const visible = (datum) => datum[1].length === 0 || datum[1].some((run) => !hiddenRuns.has(run));

function nearest(chart, places, x, y) {
  let best = null;
  let least = REACH;
  for (let i = 0; i < places.length; i += 5) {
    const dx = Math.max(places[i] - x, 0, x - places[i] - places[i + 2]);
    const dy = Math.max(places[i + 1] - y, 0, y - places[i + 1] - places[i + 3]);
    const distance = Math.hypot(dx, dy);
    if (distance < least && visible(chart.data[places[i + 4]])) {
      least = distance;
      best = chart.data[places[i + 4]];
    }
  }

  return best;
}

function showTip(chart, datum, event) {
  const list = document.createElement('dl');
  chart.names[datum[0]].forEach((name, i) => {
    const term = document.createElement('dt');
    const description = document.createElement('dd');
    const text = datum[i + 2];
    term.textContent = name;
    description.textContent = text === 0 ? datum[1].map((run) => report.runs[run]).join(', ') : text;
    list.append(term, description);
  });

  tip.replaceChildren(list);
  tip.hidden = false;
  const gap = 14;
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + gap + width > innerWidth ? event.clientX - gap - width : event.clientX + gap;
  const top = event.clientY + gap + height > innerHeight ? event.clientY - gap - height : event.clientY + gap;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

for (const plot of document.querySelectorAll('.plot')) {
  const chart = report.charts.find((one) => one.name === plot.dataset.chart);
  const drawings = [...plot.querySelectorAll('svg')];
  const point = (event) => {
    const shown = drawings.findIndex((drawing) => drawing.getBoundingClientRect().width > 0);
    const box = drawings[shown].getBoundingClientRect();
    const scale = drawings[shown].viewBox.baseVal.width / box.width;
    const datum = nearest(chart, chart.places[shown], (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    if (datum) {
      showTip(chart, datum, event);
    } else {
      tip.hidden = true;
    }
  };

  plot.addEventListener('pointermove', point);
  plot.addEventListener('pointerdown', point);
  plot.addEventListener('pointerleave', () => { tip.hidden = true; });
}

// --- Tables.
const textOrder = new Intl.Collator('en', { numeric: true });

function sortBy(table, column, button) {
  const header = button.closest('th');
  const wasDescending = header.getAttribute('aria-sort') === 'descending';
  const isNumber = header.classList.contains('number');
  const descending = header.hasAttribute('aria-sort') ? !wasDescending : isNumber;
  for (const other of header.parentElement.children) {
    other.removeAttribute('aria-sort');
  }

  header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
  const key = (row) => (isNumber ? Number(row.cells[column].dataset.sort ?? row.cells[column].textContent.replaceAll(',', '')) : row.cells[column].textContent);
  const compare = isNumber ? (a, b) => key(a) - key(b) : (a, b) => textOrder.compare(key(a), key(b));
  const rows = [...table.tBodies[0].rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
  table.tBodies[0].append(...rows);
}

// A run of a sweep goes with its policy.
function isHidden(name) {
  const run = report.runs.indexOf(name);
  return run >= 0 && (hiddenRuns.has(run) || hiddenRuns.has(report.policies[run]));
}

function filterRows(section) {
  const words = (section.querySelector('.filter input')?.value ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...section.querySelector('tbody').rows];
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = isHidden(row.dataset.run) || !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }

  const count = section.querySelector('.count');
  if (count) {
    count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  }
}

function hideColumns(table) {
  const hidden = [...table.tHead.rows[0].cells].map((cell) => isHidden(cell.dataset.run));
  for (const row of table.rows) {
    hidden.forEach((hide, column) => { row.cells[column].hidden = hide; });
  }
}

// A shade at the edge behind which a table goes on.
function cue(scroll) {
  scroll.classList.toggle('more', scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 1);
}

const scrolls = [...document.querySelectorAll('.scroll')];
for (const scroll of scrolls) {
  scroll.addEventListener('scroll', () => cue(scroll), { passive: true });
}

const cueAll = () => scrolls.forEach(cue);
addEventListener('resize', cueAll);
document.addEventListener('toggle', cueAll, true);

for (const section of document.querySelectorAll('section.table')) {
  const table = section.querySelector('table');
  table.querySelectorAll('thead button').forEach((button, column) => button.addEventListener('click', () => sortBy(table, column, button)));
  section.querySelector('.filter input')?.addEventListener('input', () => filterRows(section));
}

// --- Choice of policies.
function choose() {
  const onlyProposals = report.yardsticks.length > 0 && report.yardsticks.every((run) => hiddenRuns.has(run));
  for (const plot of document.querySelectorAll('.plot')) {
    plot.classList.toggle('proposals', onlyProposals && plot.classList.contains('choice'));
  }

  for (const element of document.querySelectorAll('.plot [data-runs]')) {
    element.toggleAttribute('hidden', element.dataset.runs.split(' ').every((run) => hiddenRuns.has(Number(run))));
  }

  for (const section of document.querySelectorAll('section.table')) {
    filterRows(section);
    hideColumns(section.querySelector('table'));
  }

  cueAll();
}

const boxes = [...document.querySelectorAll('.runs input[data-run]')];
const yardsticks = document.querySelector('.runs input[data-yardsticks]');
for (const box of boxes) {
  box.addEventListener('change', () => {
    hiddenRuns[box.checked ? 'delete' : 'add'](Number(box.dataset.run));
    choose();
  });
}

yardsticks?.addEventListener('change', () => {
  for (const box of boxes.filter((one) => report.yardsticks.includes(Number(one.dataset.run)))) {
    box.checked = yardsticks.checked;
    hiddenRuns[box.checked ? 'delete' : 'add'](Number(box.dataset.run));
  }

  choose();
});

cueAll();
document.documentElement.dataset.ready = 'yes';
