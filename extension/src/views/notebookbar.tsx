/** In a notebook's toolbar: which task it is and how that stands, or the way into the pipeline. */

import { ReactWidget } from '@jupyterlab/apputils';
import { addIcon, runIcon } from '@jupyterlab/ui-components';
import {
  PanelProvider,
  usePanel,
  useProject,
  useSnapshot,
  type IPanel
} from '../components/context';
import { lookOf, Mark, statusText } from '../components/status';
import { ToolButton } from '../components/toolbar';
import { liveRun, standingOf } from '../model/graph';
import type { MembershipModel } from '../model/membership';
import { CommandIDs } from '../tokens';

export class NotebookBar extends ReactWidget {
  constructor(
    private readonly panel: IPanel,
    private readonly membership: MembershipModel
  ) {
    super();
    this.addClass('mn-NotebookBar');
  }

  protected override render(): JSX.Element {
    return (
      <PanelProvider panel={this.panel}>
        <Bar membership={this.membership} />
      </PanelProvider>
    );
  }
}

function Bar(props: { membership: MembershipModel }): JSX.Element | null {
  const { trans, commands } = usePanel();
  const { membership } = props;
  const found = useSnapshot(membership.membership).value;
  const project = useProject();
  const pipeline = useSnapshot(project.pipeline).value;
  const runs = useSnapshot(project.feed);
  if (!found?.project || found.role === 'product') {
    return null;
  }
  const args = { path: membership.path };
  const names = membership.taskNames;
  if (!names.length) {
    return (
      <ToolButton
        icon={addIcon}
        label={trans.__('Add to Pipeline')}
        title={trans.__('Make this notebook a task of %1', found.project.name)}
        onClick={() => void commands.execute(CommandIDs.addToPipeline, args)}
        wordy
      />
    );
  }
  const task = membership.tasks[0];
  const live = pipeline && liveRun(pipeline, runs);
  const standing =
    task && standingOf(task, live?.tasks.find(one => one.task === task.name) ?? null, null);
  const look = lookOf(standing?.state ?? 'outside');
  const label =
    names.length === 1 ? names[0] : trans.__('%1 and %2 more', names[0], names.length - 1);
  return (
    <>
      <button
        type="button"
        className="mn-Badge"
        title={[
          trans.__('Task of %1; click to see it in the pipeline', found.project.name),
          ...names,
          standing ? statusText(standing.state, trans) : ''
        ].join('\n')}
        onClick={() => {
          membership.select();
          void commands.execute('mlops-nb:open-pipeline', { task: names[0] });
        }}
      >
        <Mark glyph={look.glyph} tone={look.tone}>
          {label}
          {standing && (
            <span className="mn-hidden">, {statusText(standing.state, trans)}</span>
          )}
        </Mark>
      </button>
      <ToolButton
        icon={runIcon}
        label={trans.__('Run as Task')}
        title={trans.__('Save, and run it as the pipeline does')}
        disabled={project.feed.isBusy}
        onClick={() => void commands.execute(CommandIDs.runAsTask, args)}
        wordy
      />
    </>
  );
}
