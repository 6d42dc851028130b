// Everything that moves in the HTML report: charts, tooltips, sorting and filtering of tables, choice of policies. Data are text: nothing from a result becomes markup or code.
import { viewOf } from './draw.js';

const data = JSON.parse(document.getElementById('report-data').textContent);
const hiddenRuns = new Set();
const dark = matchMedia('(prefers-color-scheme: dark)');
const narrow = matchMedia('(max-width: 640px)');
const views = new Map();
let printing = false;

// --- Tooltip: one element, filled by text nodes.
const tip = document.createElement('div');
tip.className = 'tip';
tip.setAttribute('role', 'status');
tip.hidden = true;
document.body.append(tip);

function showTip(_, event, __, value) {
  if (value == null || value === '') {
    tip.hidden = true;
    return;
  }

  const list = document.createElement('dl');
  for (const [name, text] of Object.entries(value)) {
    const term = document.createElement('dt');
    const description = document.createElement('dd');
    term.textContent = name;
    description.textContent = String(text);
    list.append(term, description);
  }

  tip.replaceChildren(list);
  tip.hidden = false;
  const gap = 14;
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + gap + width > innerWidth ? event.clientX - gap - width : event.clientX + gap;
  const top = event.clientY + gap + height > innerHeight ? event.clientY - gap - height : event.clientY + gap;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

// --- Charts.
function themed(specification) {
  const config = structuredClone(dark.matches && !printing ? data.themes.dark : data.themes.light);
  config.background = 'transparent';
  if (narrow.matches) {
    config.axis.labelLimit = 170;
    config.axisX.tickCount = 4;
    config.legend.columns = 1;
    config.legend.labelLimit = 300;
  }

  return { ...specification, config };
}

function withoutHidden(specification) {
  const copy = structuredClone(specification);
  for (const layer of copy.layer) {
    layer.data.values = layer.data.values.filter((row) => !hiddenRuns.has(row.run));
    for (const channel of ['y', 'yOffset']) {
      const names = layer.encoding[channel]?.sort;
      if (Array.isArray(names)) {
        layer.encoding[channel].sort = names.filter((name) => !hiddenRuns.has(name));
      }
    }
  }

  if (copy.usermeta?.step) {
    copy.height = copy.usermeta.step * Math.max(1, copy.layer[0].encoding.y.sort.length);
  }

  return copy;
}

async function draw(chart) {
  const place = document.querySelector(`#chart-${chart.name} .plot`);
  views.get(chart.name)?.finalize();
  place.replaceChildren();
  const view = viewOf(themed(withoutHidden(chart.specification)), { renderer: 'svg', container: place, hover: true, tooltip: showTip });
  views.set(chart.name, view);
  await view.runAsync();
}

async function drawAll() {
  for (const chart of data.charts) {
    await draw(chart);
  }

  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

dark.addEventListener('change', drawAll);
narrow.addEventListener('change', drawAll);
addEventListener('beforeprint', () => { printing = true; drawAll(); });
addEventListener('afterprint', () => { printing = false; drawAll(); });

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
  const key = (row) => (isNumber ? Number(row.cells[column].dataset.sort) : row.cells[column].textContent);
  const compare = isNumber ? (a, b) => key(a) - key(b) : (a, b) => textOrder.compare(key(a), key(b));
  const rows = [...table.tBodies[0].rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
  table.tBodies[0].append(...rows);
}

function filterRows(section) {
  const words = (section.querySelector('.filter input')?.value ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...section.querySelector('tbody').rows];
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = hiddenRuns.has(row.dataset.run) || !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }

  const count = section.querySelector('.count');
  if (count) {
    count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  }
}

function hideColumns(table) {
  const hidden = [...table.tHead.rows[0].cells].map((cell) => hiddenRuns.has(cell.dataset.run));
  for (const row of table.rows) {
    hidden.forEach((hide, column) => { row.cells[column].hidden = hide; });
  }
}

for (const section of document.querySelectorAll('section.table')) {
  const table = section.querySelector('table');
  table.querySelectorAll('thead button').forEach((button, column) => button.addEventListener('click', () => sortBy(table, column, button)));
  section.querySelector('.filter input')?.addEventListener('input', () => filterRows(section));
}

// --- Choice of policies.
for (const box of document.querySelectorAll('.runs input')) {
  box.addEventListener('change', () => {
    hiddenRuns[box.checked ? 'delete' : 'add'](box.value);
    for (const section of document.querySelectorAll('section.table')) {
      filterRows(section);
      hideColumns(section.querySelector('table'));
    }

    drawAll();
  });
}

drawAll();
