import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');

/** Each layer, and the ones it may import. */
const LAYERS: Record<string, string[]> = {
  tokens: [],
  api: [],
  request: ['api', 'tokens'],
  model: ['model', 'request', 'api', 'tokens'],
  components: ['components', 'model', 'request', 'api', 'tokens'],
  views: ['views', 'components', 'model', 'request', 'api', 'tokens'],
  app: ['app', 'views', 'components', 'model', 'request', 'api', 'tokens'],
  index: ['app', 'views', 'components', 'model', 'request', 'api', 'tokens']
};

it('layers point downwards', () => {
  const wrong: string[] = [];
  for (const file of readdirSync(SRC, { recursive: true }) as string[]) {
    if (!/\.tsx?$/.test(file)) {
      continue;
    }
    const layer = file.replace(/\.tsx?$/, '').split('/')[0];
    const text = readFileSync(join(SRC, file), 'utf8');
    for (const [, target] of text.matchAll(/from '(\.[^']*)'/g)) {
      const path = join('/', file, '..', target).split('/')[1];
      if (!LAYERS[layer].includes(path)) {
        wrong.push(`${file} imports ${target}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});
