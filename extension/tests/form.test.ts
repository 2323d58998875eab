import { describe, expect, it, vi } from 'vitest';
import { FormModel, grouped } from '../src/model/form';
import { meant } from '../src/views/parameters';
import { fakePanel, refusal, type Answer } from './kit';
import { chain, parameter, planOf } from './pipelinekit';

const PLAN = 'POST /pipeline/plan';

async function formWith(answer: Answer) {
  const panel = await fakePanel({ [PLAN]: answer });
  return { form: new FormModel(panel.model.project, 5), server: panel.server };
}

describe('FormModel', () => {
  it('asks once for the plan after the last of several changes', async () => {
    const plan = planOf(chain(), { train: 'parameter depth 6 → 8' });
    const { form, server } = await formWith(plan);
    form.type(parameter('depth'), 7);
    form.type(parameter('depth'), 8);
    expect(form.snapshot.planning).toBe(true);
    await vi.waitFor(() => expect(form.snapshot.plan?.counts.run).toBe(1));
    const asked = server.requests.filter(one => one.route === PLAN);
    expect(asked.map(one => one.body)).toEqual([{ parameters: { depth: 8 } }]);
  });

  it('forgets what is typed back to the pipeline’s own value', async () => {
    const { form, server } = await formWith(planOf(chain(), {}));
    form.type(parameter('depth'), 8);
    form.type(parameter('depth'), 6);
    expect(form.snapshot).toMatchObject({ typed: {}, plan: null, planning: false });
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(server.requests.some(one => one.route === PLAN)).toBe(false);
  });

  it('says what is wrong with a value', async () => {
    const { form } = await formWith(() =>
      refusal(422, {
        message: 'depth: "x" is no int',
        where: 'train',
        fix: 'give a number'
      })
    );
    form.type(parameter('depth'), 'x');
    await vi.waitFor(() => expect(form.snapshot.error?.fix).toBe('give a number'));
    expect(form.snapshot.plan).toBeNull();
  });

  it('ignores an answer that has been overtaken', async () => {
    let answer: (value: unknown) => void = () => undefined;
    let count = 0;
    const { form } = await formWith(() => {
      count += 1;
      return count === 1
        ? new Promise(resolve => (answer = resolve))
        : planOf(chain(), { train: 'second' });
    });
    form.type(parameter('depth'), 7);
    await vi.waitFor(() => expect(count).toBe(1));
    form.type(parameter('depth'), 8);
    answer(planOf(chain(), { train: 'first', features: 'first' }));
    await vi.waitFor(() => expect(form.snapshot.plan?.counts.run).toBe(1));
    expect(form.snapshot.typed).toEqual({ depth: 8 });
  });
});

describe('meant', () => {
  const cases: [string, string, unknown][] = [
    ['integer', '7', 7],
    ['integer', '7x', '7x'],
    ['integer', '007', '007'],
    ['number', '0.5', 0.5],
    ['number', '1e-3', '1e-3'], // the server reads it
    ['text', '7', '7'],
    ['list', '[1, 2]', [1, 2]],
    ['list', '[1,', '[1,'],
    ['json', 'null', null]
  ];
  it.each(cases)('reads %s %s', (control, text, value) => {
    expect(meant(text, parameter('x', { control }))).toEqual(value);
  });

  it('takes nothing for none where none is allowed', () => {
    expect(meant('', parameter('x', { control: 'text', optional: true }))).toBeNull();
    expect(meant('', parameter('x', { control: 'text' }))).toBe('');
  });
});

it('groups parameters by the tasks that they reach, the widest first', () => {
  const groups = grouped([
    parameter('depth'),
    parameter('seed', { tasks: ['features', 'train'] }),
    parameter('rate')
  ]);
  expect(groups.map(([tasks, all]) => [tasks, all.length])).toEqual([
    ['features, train', 1],
    ['train', 2]
  ]);
});
