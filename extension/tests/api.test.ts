import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';
import { expect, it } from 'vitest';

// `npm run types` writes the file; the options here are the ones there.
it('the types are those of the OpenAPI file', { timeout: 60_000 }, async () => {
  const root = join(import.meta.dirname, '..');
  const nodes = await openapiTS(
    readFileSync(join(root, '../mlops_nb/server/openapi.yaml'), 'utf8'),
    {
      rootTypes: true,
      rootTypesNoSchemaPrefix: true,
      emptyObjectsUnknown: true,
      silent: true
    }
  );
  const made = `${COMMENT_HEADER}${astToString(nodes)}`;
  expect(made === readFileSync(join(root, 'src/api.ts'), 'utf8')).toBe(true);
});
