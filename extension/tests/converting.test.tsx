import { Notification } from '@jupyterlab/apputils';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Conversion } from '../src/api';
import { addConverting } from '../src/app/converting';
import { CommandIDs } from '../src/tokens';
import { dialog, fakePanel, refusal, stubCommands, violations, type Answer } from './kit';
import { pipelineOf, taskView } from './pipelinekit';

const OPEN = 'mlops-nb:open-pipeline';
const PATH = 'work/analysis.ipynb';

const PLANNED: Conversion = {
  project: { path: 'work', name: 'work', spec: 'pipeline.yaml' },
  is_new: true,
  task: 'analysis',
  source: 'analysis.ipynb',
  spec_text: 'tasks:\n  - source: analysis.ipynb\n',
  cell: 'tagged',
  position: 1,
  cell_text: 'upstream = None\nrows = 3',
  parameters: ['rows'],
  done: false
};

/** A notebook that is open; `null` for none. */
type Context = { model: { dirty: boolean }; save: () => void; revert: () => void } | null;

async function panelWith(answers: Record<string, Answer> = {}, context: Context = null) {
  const panel = await fakePanel({
    'GET /conversion': PLANNED,
    'POST /conversion': { ...PLANNED, done: true },
    'GET /projects': { projects: [PLANNED.project], truncated: false },
    'GET /pipeline': pipelineOf([taskView('analysis')]),
    ...answers
  });
  const choose = vi.fn(async () => PATH);
  const documents = {
    findWidget: (path: string) => (context && path === PATH ? {} : undefined),
    contextForWidget: () => context
  };
  addConverting(panel, documents as never, choose);
  stubCommands(panel, OPEN);
  const sent = (route: string) =>
    panel.server.requests.filter(one => one.route === route).map(one => one.body);
  return { panel, choose, sent };
}

async function answer(button: string): Promise<HTMLElement> {
  const open = await dialog();
  fireEvent.click(within(open).getByRole('button', { name: button, hidden: true }));
  return open;
}

describe('Convert a Notebook…', () => {
  beforeEach(() => {
    Notification.dismiss();
    document.body.querySelectorAll('.jp-Dialog').forEach(one => one.remove());
  });

  it('shows what it would write, does it, and goes to the task', async () => {
    const { panel, choose, sent } = await panelWith();
    const done = panel.commands.execute(CommandIDs.convert);
    const open = await dialog();
    await waitFor(() => expect(open.textContent).toContain('becomes a pipeline'));
    expect(open.textContent).toContain('analysis.ipynb becomes a pipeline of one task');
    expect(open.textContent).toContain('Cell 2 becomes its parameters cell.');
    expect(open.textContent).toContain('A run can set: rows.');
    expect(open.textContent).toContain(PLANNED.cell_text);
    expect(open.textContent).toContain(PLANNED.spec_text);
    expect(await violations(open.querySelector('.mn-Plan')!)).toEqual([]);
    expect(sent('POST /conversion')).toEqual([]);
    await answer('Convert');
    await done;
    expect(choose).toHaveBeenCalledOnce();
    expect(sent('POST /conversion')).toEqual([{ path: PATH }]);
    expect(panel.model.project.path).toBe('work');
    expect(panel.executed).toContainEqual([OPEN, { task: 'analysis' }]);
  });

  it('saves a notebook that is open before, and shows its new cell afterwards', async () => {
    const calls: string[] = [];
    const context = {
      model: { dirty: true },
      save: () => void calls.push('save'),
      revert: () => void calls.push('revert')
    };
    const { panel, choose, sent } = await panelWith(
      {
        'GET /conversion': () => {
          calls.push('plan');
          return { ...PLANNED, is_new: false, cell: 'made', parameters: [] };
        }
      },
      context
    );
    const done = panel.commands.execute(CommandIDs.convert, { path: PATH });
    const open = await dialog();
    await waitFor(() => expect(open.textContent).toContain('becomes the task'));
    expect(open.textContent).toContain('put in as cell 2');
    await answer('Convert');
    await done;
    expect(choose).not.toHaveBeenCalled();
    expect(calls).toEqual(['save', 'plan', 'revert']);
    expect(sent('POST /conversion')).toHaveLength(1);
  });

  it('writes nothing where it is cancelled, or no notebook was chosen', async () => {
    const { panel, choose, sent } = await panelWith();
    const done = panel.commands.execute(CommandIDs.convert);
    await answer('Cancel');
    await done;
    expect(sent('POST /conversion')).toEqual([]);
    choose.mockResolvedValueOnce('');
    await panel.commands.execute(CommandIDs.convert);
    expect(sent('GET /conversion')).toHaveLength(1);
    expect(screen.queryByText(/becomes a pipeline/)).toBeNull();
  });

  it('says why a notebook cannot be converted, and how to mend it', async () => {
    const { panel } = await panelWith({
      'GET /conversion': () =>
        refusal(422, { message: 'does nothing', where: PATH, fix: 'write the work' })
    });
    await panel.commands.execute(CommandIDs.convert);
    expect(Notification.manager.notifications[0].message).toBe(
      `${PATH}: does nothing. To mend it: write the work`
    );
  });
});
