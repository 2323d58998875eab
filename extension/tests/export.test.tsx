import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExportFile, ExportPreview } from '../src/api';
import { diffCounts, diffLines } from '../src/model/difference';
import { exportView } from '../src/views/export';
import { dialog, fakePanel, refusal, renderView, violations } from './kit';

const TARGETS = {
  targets: [
    { name: 'github', title: 'GitHub Actions', description: 'A workflow.' },
    { name: 'argo', title: 'Argo Workflows', description: 'A CronWorkflow.' }
  ]
};

const DIFF = [
  '--- a/ci.yml',
  '+++ b/ci.yml',
  '@@ -1,3 +1,3 @@',
  ' jobs:',
  '---- old',
  '+++ new',
  '+more',
  ''
].join('\n');

function file(path: string, more: Partial<ExportFile> = {}): ExportFile {
  return { path, text: `text of ${path}`, state: 'same', diff: '', ...more };
}

function previewOf(files: ExportFile[], notes: string[] = []): ExportPreview {
  return { target: 'github', files, notes };
}

const FOUR = previewOf(
  [
    file('a-same.yml'),
    file('ci.yml', { state: 'stale', diff: DIFF }),
    file('new.yml', { state: 'missing', diff: '--- a\n+++ b\n@@ @@\n+x\n' }),
    file('old.yml', { state: 'left-over', text: '', diff: '--- a\n+++ b\n@@ @@\n-x\n' })
  ],
  ['There is no lock of the requirements: write one.']
);

afterEach(() => document.body.querySelectorAll('.jp-Dialog').forEach(one => one.remove()));

describe('a unified diff', () => {
  it('knows files from lines that look like them', () => {
    expect(diffLines(DIFF)).toEqual([
      { kind: 'place', text: '@@ -1,3 +1,3 @@' },
      { kind: 'same', text: 'jobs:' },
      { kind: 'removed', text: '--- old' },
      { kind: 'added', text: '++ new' },
      { kind: 'added', text: 'more' }
    ]);
    expect(diffCounts(DIFF)).toEqual({ added: 2, removed: 1 });
    expect(diffLines('')).toEqual([]);
  });
});

describe('Export', () => {
  it('asks for a target before anything is worked out', async () => {
    const panel = await fakePanel({ 'GET /export': TARGETS });
    const { container } = renderView(panel, exportView);
    expect(await screen.findByText('Where should the pipeline run?')).toBeTruthy();
    expect(screen.getByText('A CronWorkflow.')).toBeTruthy();
    const write = screen.getByRole('button', {
      name: 'Write the Files…'
    }) as HTMLButtonElement;
    expect(write.disabled).toBe(true);
    expect(await violations(container)).toEqual([]);
  });

  it('shows each file with its state, and what writing would change', async () => {
    const panel = await fakePanel({ 'GET /export': TARGETS, 'GET /export/github': FOUR });
    const { container } = renderView(panel, exportView);
    fireEvent.click(await screen.findByRole('button', { name: /GitHub Actions/ }));
    expect(
      await screen.findByText('4 files: 1 new, 1 differs, 1 left over, 1 same')
    ).toBeTruthy();
    expect(screen.getByText(/no lock of the requirements/)).toBeTruthy();
    const changes = screen.getByRole('region', { name: 'Changes of ci.yml' });
    expect(changes.textContent).toContain('+more');
    expect(changes.querySelector('.mn-mod-removed')?.textContent).toBe('−--- old\n');
    expect(await violations(container)).toEqual([]);

    fireEvent.click(screen.getByRole('button', { name: 'Whole File' }));
    expect(screen.getByText('text of ci.yml')).toBeTruthy();
    fireEvent.click(
      within(screen.getByRole('navigation', { name: 'Files' })).getByText('new.yml')
    );
    expect(screen.getByText('a new file')).toBeTruthy();
    expect(screen.getByText('text of new.yml')).toBeTruthy();
    fireEvent.click(screen.getByText('old.yml'));
    expect(screen.getByRole('region', { name: 'Changes of old.yml' })).toBeTruthy();
  });

  it('shows markup of a file as text', async () => {
    const text = '<img src=x onerror=alert(1)>';
    const panel = await fakePanel({
      'GET /export': TARGETS,
      'GET /export/github': previewOf([file('x.html', { text, state: 'missing' })])
    });
    const { container } = renderView(panel, exportView, { target: 'github' });
    expect(await screen.findByText(text)).toBeTruthy();
    expect(container.querySelector('img')).toBeNull();
  });

  it('writes after consent, in the chosen grouping, and tells what was done', async () => {
    const panel = await fakePanel({
      'GET /export': TARGETS,
      'GET /export/github': FOUR,
      'POST /export/github': previewOf(FOUR.files.slice(1))
    });
    renderView(panel, exportView, { target: 'github' });
    fireEvent.change(await screen.findByRole('combobox', { name: 'Jobs' }), {
      target: { value: 'by-level' }
    });
    await waitFor(() =>
      expect(panel.server.requests.at(-1)!.query.get('group')).toBe('by-level')
    );
    await screen.findByText(/4 files/);
    fireEvent.click(screen.getByRole('button', { name: 'Write the Files…' }));
    const asked = await dialog();
    expect(asked.textContent).toContain('2 files to write, 1 file to remove');
    expect(asked.textContent).toContain('old.yml');
    fireEvent.click(within(asked).getByText('Write'));
    const said = await screen.findAllByText(
      'GitHub Actions: 2 files written, 1 file removed.'
    );
    expect(said.some(node => node.getAttribute('aria-live') === 'polite')).toBe(true);
    const sent = panel.server.requests.find(one => one.route === 'POST /export/github');
    expect(sent?.body).toEqual({ group: 'by-level' });
  });

  it('writes nothing without consent', async () => {
    const panel = await fakePanel({ 'GET /export': TARGETS, 'GET /export/github': FOUR });
    renderView(panel, exportView, { target: 'github' });
    await screen.findByText(/4 files/);
    fireEvent.click(screen.getByRole('button', { name: 'Write the Files…' }));
    const asked = await dialog();
    fireEvent.click(within(asked).getByText('Cancel'));
    await waitFor(() => expect(document.querySelector('.jp-Dialog')).toBeNull());
    expect(panel.server.requests.some(one => one.route.startsWith('POST'))).toBe(false);
  });

  it('has nothing to write where nothing differs', async () => {
    const panel = await fakePanel({
      'GET /export': TARGETS,
      'GET /export/github': previewOf([file('ci.yml')])
    });
    renderView(panel, exportView, { target: 'github' });
    expect(await screen.findByText('1 file: 1 same')).toBeTruthy();
    expect(screen.getByText('already as it would be written')).toBeTruthy();
    const write = screen.getByRole('button', {
      name: 'Write the Files…'
    }) as HTMLButtonElement;
    expect(write.disabled).toBe(true);
  });

  it('says so where a target needs no file', async () => {
    const panel = await fakePanel({
      'GET /export': TARGETS,
      'GET /export/github': previewOf([])
    });
    const { container } = renderView(panel, exportView, { target: 'github' });
    expect(await screen.findByText('GitHub Actions needs no file')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('says what is wrong with a target, beside the others', async () => {
    const panel = await fakePanel({
      'GET /export': TARGETS,
      'GET /export/github': () =>
        refusal(422, { message: 'a name is too long', fix: 'shorten it' })
    });
    const { container } = renderView(panel, exportView, { target: 'github' });
    expect(await screen.findByText('a name is too long')).toBeTruthy();
    expect(screen.getByText('Argo Workflows')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });
});
