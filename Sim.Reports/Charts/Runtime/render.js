// Reads {"format": "svg" or "png", "scale": n, "charts": [{"path": ..., "specification": ...}]} from standard input and writes one file for each chart.
import { readFileSync, writeFileSync } from 'node:fs';
import { Resvg, initWasm } from '@resvg/resvg-wasm';
import { viewOf } from './draw.js';

const request = JSON.parse(readFileSync(0, 'utf8'));
const beside = (file) => readFileSync(new URL(file, import.meta.url));
if (request.format === 'png') {
  await initWasm(beside('resvg.wasm'));
}

for (const { path, specification } of request.charts) {
  const svg = await viewOf(specification, { renderer: 'none' }).toSVG();
  if (request.format === 'svg') {
    writeFileSync(path, svg + '\n');
  } else {
    const font = { fontBuffers: [beside('regular.ttf'), beside('semibold.ttf')], defaultFontFamily: 'Inter', sansSerifFamily: 'Inter' };
    writeFileSync(path, new Resvg(svg, { font, fitTo: { mode: 'zoom', value: request.scale } }).render().asPng());
  }
}
