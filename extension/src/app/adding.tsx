/** Makes a notebook a task, and runs it as one. */

import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { AddTask } from '../api';
import { useTrans, type IPanel } from '../components/context';
import { askForm, attempt } from '../components/dialogs';
import type { MembershipModel } from '../model/membership';
import { body, got } from '../request';
import { start } from './commands';

interface IAnswers {
  readonly name: string;
  readonly upstream: readonly string[];
}

/** Ask for a name and for what it needs, and add the notebook to `pipeline.yaml`. */
export async function addToPipeline(
  panel: IPanel,
  notebook: NotebookPanel,
  membership: MembershipModel
): Promise<void> {
  const { trans, model, commands } = panel;
  await membership.membership.refresh();
  const project = membership.membership.value?.project;
  if (!project) {
    Notification.warning(
      trans.__(
        'This notebook lies outside of any project: put it into a folder with a pipeline.yaml, or start a project.'
      ),
      { autoClose: 8000 }
    );
    return;
  }
  membership.select();
  const chosen = model.project;
  if (!chosen.pipeline.value) {
    await chosen.pipeline.refresh();
  }
  const tasks = chosen.pipeline.value?.tasks.map(task => task.name) ?? [];
  const answers = await askForm<IAnswers>(panel, {
    title: trans.__('Add to pipeline'),
    accept: trans.__('Add'),
    initial: { name: nameOf(membership.source), upstream: [] },
    draw: (value, set) => <Form value={value} set={set} tasks={tasks} />
  });
  if (!answers) {
    return;
  }
  await notebook.context.save();
  const added = await attempt(
    trans,
    () =>
      got(
        model.api.POST('/mlops-nb/v1/pipeline/tasks', {
          params: { query: { project: chosen.path } },
          body: body<AddTask>({
            source: membership.source,
            name: answers.name.trim(),
            upstream: [...answers.upstream]
          })
        })
      ),
    () => trans.__('%1 is a task now.', answers.name)
  );
  if (added) {
    // The notebook itself is changed too: it declares what it needs.
    await notebook.context.revert();
    await chosen.pipeline.refresh();
    await membership.membership.refresh();
    await commands.execute('mlops-nb:open-pipeline', { task: answers.name.trim() });
  }
}

/** Save the notebook, and run its tasks anew with what they lack above them. */
export async function runAsTask(
  panel: IPanel,
  notebook: NotebookPanel,
  membership: MembershipModel
): Promise<void> {
  const names = [...membership.taskNames];
  if (!names.length) {
    await addToPipeline(panel, notebook, membership);
    return;
  }
  if (notebook.context.model.dirty) {
    await notebook.context.save();
  }
  membership.select();
  await start(panel, { targets: names, start_from: names });
}

function nameOf(source: string): string {
  const stem = PathExt.basename(source, PathExt.extname(source));
  return stem
    .replace(/[^\w-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase();
}

function Form(props: {
  value: IAnswers;
  set: (value: IAnswers) => void;
  tasks: readonly string[];
}): JSX.Element {
  const trans = useTrans();
  const { value, set, tasks } = props;
  const toggle = (task: string) =>
    set({
      ...value,
      upstream: value.upstream.includes(task)
        ? value.upstream.filter(one => one !== task)
        : [...value.upstream, task]
    });
  return (
    <>
      <label className="mn-Field">
        {trans.__('Name of the task')}
        <input
          className="mn-Input"
          value={value.name}
          onChange={event => set({ ...value, name: event.target.value })}
        />
      </label>
      {tasks.length > 0 && (
        <fieldset className="mn-Fields mn-Choices">
          <legend>{trans.__('Runs after')}</legend>
          {tasks.map(task => (
            <label key={task}>
              <input
                type="checkbox"
                checked={value.upstream.includes(task)}
                onChange={() => toggle(task)}
              />
              {task}
            </label>
          ))}
        </fieldset>
      )}
    </>
  );
}
