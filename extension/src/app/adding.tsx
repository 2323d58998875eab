/** Makes a notebook a task, and runs it as one. */

import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { AddTask } from '../api';
import { useTrans, type IPanel } from '../components/context';
import { askForm, attempt } from '../components/dialogs';
import type { MembershipModel } from '../model/membership';
import { ApiError, body, got } from '../request';
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
  const add = (upstream: readonly string[]) =>
    got(
      model.api.POST('/mlops-nb/v1/pipeline/tasks', {
        params: { query: { project: chosen.path } },
        body: body<AddTask>({
          source: membership.source,
          name: answers.name.trim(),
          upstream: [...upstream]
        })
      })
    );
  const added = await attempt(
    trans,
    async () => {
      try {
        return await add(answers.upstream);
      } catch (error) {
        // In this pipeline the notebooks themselves say what they need.
        if (!(error instanceof ApiError && error.where.includes('extract_upstream'))) {
          throw error;
        }
        declareUpstream(notebook, answers.upstream);
        await notebook.context.save();
        return add([]);
      }
    },
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

/** Write what the notebook needs into its parameters cell; one is made where there is none. */
export function declareUpstream(
  notebook: NotebookPanel,
  upstream: readonly string[]
): void {
  const line = `upstream = ${JSON.stringify(upstream)}`;
  const model = notebook.content.model!;
  for (const cell of model.cells) {
    const tags: unknown = cell.getMetadata('tags');
    if (Array.isArray(tags) && tags.includes('parameters')) {
      const text = cell.sharedModel.getSource();
      const known = /^upstream\b.*$/m;
      cell.sharedModel.setSource(
        known.test(text) ? text.replace(known, line) : `${line}\n${text}`
      );
      return;
    }
  }
  model.sharedModel.insertCell(0, {
    cell_type: 'code',
    source: `${line}\nproduct = None`,
    metadata: { tags: ['parameters'] }
  });
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
