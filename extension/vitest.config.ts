import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      name: 'svg-as-text', // as JupyterLab's builder hands icons over
      enforce: 'pre',
      async load(id) {
        if (id.endsWith('.svg')) {
          return `export default ${JSON.stringify(await readFile(id, 'utf8'))}`;
        }
        return undefined;
      }
    }
  ],
  test: {
    environment: 'jsdom',
    include: ['tests/**/*.test.{ts,tsx}'],
    setupFiles: ['tests/setup.ts'],
    testTimeout: 60_000, // a busy machine is no fault of the panel
    pool: 'threads',
    poolOptions: { threads: { maxThreads: 2 } }
  }
});
