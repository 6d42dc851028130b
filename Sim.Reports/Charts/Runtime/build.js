// Bundles the two programs that draw charts, and puts the fonts and the rasteriser they need beside them, into the folder named on the command line.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const folder = process.argv[2] ?? 'dist';
const common = { bundle: true, minify: true, legalComments: 'inline', charset: 'ascii', logLevel: 'warning', external: ['canvas'] };
mkdirSync(folder, { recursive: true });
await build({ ...common, entryPoints: ['page.js'], outfile: join(folder, 'page.js'), format: 'iife', platform: 'browser', target: 'es2020' });
await build({ ...common, entryPoints: ['render.js'], outfile: join(folder, 'render.mjs'), format: 'esm', platform: 'node', target: 'node20' });
for (const [from, to] of [
  ['@resvg/resvg-wasm/index_bg.wasm', 'resvg.wasm'],
  ['@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf', 'regular.ttf'],
  ['@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf', 'semibold.ttf'],
  ['@fontsource-variable/inter/files/inter-latin-wght-normal.woff2', 'sans.woff2'],
  ['@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-normal.woff2', 'serif.woff2'],
]) {
  copyFileSync(join('node_modules', from), join(folder, to));
}
