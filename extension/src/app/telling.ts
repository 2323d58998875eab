/** Says when a run ends that was seen running, and when one could not begin. */

import { Notification } from '@jupyterlab/apputils';
import type { PanelEvent, RunView } from '../api';
import type { IPanel } from '../components/context';
import { duration } from '../components/format';
import type { ProjectModel } from '../model/panel';
import { CommandIDs } from '../tokens';

/** Tell of the runs of whichever project is chosen, and keep commands true to them. */
export function tellOfRuns(panel: IPanel): void {
  const { model, commands } = panel;
  const watch = () => {
    const project = model.project;
    const running = new Set<string>();
    project.feed.turned.connect((_, id) => {
      commands.notifyCommandChanged();
      const run = project.feed.snapshot.get(id)!;
      if (run.summary.status === 'running') {
        running.add(id);
      } else if (running.delete(id) && !model.quiet) {
        tellEnd(panel, run);
      }
    });
    let tasks: number | undefined;
    project.pipeline.changed.connect(() => {
      const now = project.pipeline.value?.tasks.length;
      if (now !== tasks) {
        tasks = now;
        commands.notifyCommandChanged(); // an empty pipeline cannot be run
      }
    });
    project.told.connect((_, event) => tellRefusal(panel, project, event));
    commands.notifyCommandChanged();
  };
  watch();
  model.changed.connect(watch);
}

function tellEnd(panel: IPanel, run: RunView): void {
  const { trans, commands } = panel;
  const { id, status, seconds, failed } = run.summary;
  const open = {
    label: trans.__('Open the run'),
    callback: () => void commands.execute(CommandIDs.openRun, { run: id })
  };
  switch (status) {
    case 'succeeded':
      Notification.success(trans.__('The run succeeded in %1.', duration(seconds)), {
        autoClose: 5000,
        actions: [open]
      });
      break;
    case 'failed': {
      const task = failed[0];
      const cell = task && {
        label: trans.__('Open the failing cell'),
        callback: () => void commands.execute(CommandIDs.openFailingCell, { run: id, task })
      };
      Notification.error(
        failed.length
          ? trans.__('The run failed: %1.', failed.join(', '))
          : trans.__('The run failed.'),
        { autoClose: false, actions: cell ? [cell, open] : [open] }
      );
      break;
    }
    case 'lost':
      Notification.warning(
        trans.__('The run was lost: its process is gone. It can be resumed.'),
        { autoClose: false, actions: [open] }
      );
      break;
    default:
      Notification.info(trans.__('The run was cancelled.'), { autoClose: 5000 });
  }
}

function tellRefusal(panel: IPanel, project: ProjectModel, event: PanelEvent): void {
  if (event.kind !== 'run.refused') {
    return;
  }
  const { trans } = panel;
  const { message, where, fix } = event.data as Record<string, string | undefined>;
  const text = [where, message].filter(Boolean).join(': ');
  Notification.error(
    trans.__('The run did not begin. %1', fix ? `${text}. ${fix}` : text),
    { autoClose: false }
  );
  void project.runs.refresh();
}
