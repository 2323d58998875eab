import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { beforeEach, describe, expect, it } from 'vitest';
import { addScheduling } from '../src/app/scheduling';
import { CommandIDs } from '../src/tokens';
import { fakePanel, refusal, stubCommands, type Answer } from './kit';

const OPEN = 'mlops-nb:open-schedules';
const PROJECT = { path: 'work/flights', name: 'flights', spec: 'pipeline.yaml' };

/** A panel whose file browser has these items selected. */
async function panelWith(
  answer: Answer,
  selected: { path: string; type: string }[] = [
    { path: 'work/flights/notebooks/train.ipynb', type: 'notebook' }
  ]
) {
  const panel = await fakePanel({ 'GET /membership': answer });
  const items: unknown[] = [];
  addScheduling(
    {
      commands: panel.commands,
      contextMenu: { addItem: (item: unknown) => items.push(item) }
    } as unknown as JupyterFrontEnd,
    panel,
    {
      tracker: { currentWidget: { selectedItems: () => selected.values() } }
    } as unknown as IFileBrowserFactory
  );
  stubCommands(panel, OPEN);
  return { panel, items };
}

const opened = (executed: [string, unknown][]) => executed.filter(([id]) => id === OPEN);

describe('Schedule…', () => {
  beforeEach(() => Notification.dismiss());

  it('opens the form for the notebook that is selected', async () => {
    const { panel, items } = await panelWith({ project: PROJECT, role: 'source' });
    expect(items).toHaveLength(1);
    await panel.commands.execute(CommandIDs.schedule, { isContext: true });
    expect(panel.server.requests.at(-1)?.query.get('path')).toBe(
      'work/flights/notebooks/train.ipynb'
    );
    expect(opened(panel.executed)).toEqual([
      [OPEN, { form: true, notebook: 'notebooks/train.ipynb' }]
    ]);
    expect(panel.model.project.path).toBe('work/flights');
  });

  it('is there for one notebook, and for nothing else', async () => {
    const seen = async (...items: { path: string; type: string }[]) => {
      const { panel } = await panelWith({}, items);
      return panel.commands.isVisible(CommandIDs.schedule, { isContext: true });
    };
    const notebook = { path: 'a.ipynb', type: 'notebook' };
    expect(await seen(notebook)).toBe(true);
    expect(await seen(notebook, notebook)).toBe(false);
    expect(await seen({ path: 'a.py', type: 'file' })).toBe(false);
    expect(await seen()).toBe(false);
  });

  it('opens the form for the whole pipeline from the palette', async () => {
    const { panel } = await panelWith({});
    await panel.commands.execute(CommandIDs.schedule, { isPalette: true });
    expect(opened(panel.executed)).toEqual([[OPEN, { form: true, notebook: '' }]]);
  });

  it.each([
    ['belongs to no task yet', { project: PROJECT, role: 'none' }],
    ['lies outside of any project', { project: null, role: 'none' }],
    ['broken spec', () => refusal(422, { message: 'broken spec' })]
  ])('says where a notebook %s', async (words, answer) => {
    const { panel } = await panelWith(answer);
    await panel.commands.execute(CommandIDs.schedule, { isContext: true });
    expect(opened(panel.executed)).toEqual([]);
    expect(Notification.manager.notifications[0].message).toContain(words);
  });
});
