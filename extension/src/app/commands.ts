/** Every action as a command: palette, menus, toolbars and keys all call these. */

import { InputDialog, Notification } from '@jupyterlab/apputils';
import {
  notebookIcon,
  refreshIcon,
  runIcon,
  stopIcon,
  textEditorIcon,
  html5Icon,
  type LabIcon
} from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { RunRequest, Started } from '../api';
import type { IPanel } from '../components/context';
import { attempt, confirm } from '../components/dialogs';
import {
  compareIcon,
  pipelineIcon,
  runFromIcon,
  runThisIcon,
  runToIcon
} from '../components/icons';
import { got } from '../request';
import { CommandIDs } from '../tokens';
import { VIEWS } from '../views';
import type { Opener } from './opening';
import { viewArgs, type Shell } from './shell';

type Args = ReadonlyPartialJSONObject;

interface ICommand {
  label: string;
  icon?: LabIcon;
  caption?: string;
  enabled?: (args: Args) => boolean;
  does: (args: Args) => Promise<unknown> | unknown;
}

/** Register all commands that need no notebook. */
export function addCommands(
  commands: CommandRegistry,
  panel: IPanel,
  shell: Shell,
  opener: Opener | null,
  /** The task that was clicked with the right button; empty elsewhere. */
  pointed: () => string = () => ''
): void {
  const { trans } = panel;
  const add = (id: string, command: ICommand) =>
    commands.addCommand(id, {
      label: command.label,
      icon: command.icon,
      caption: command.caption ?? '',
      isEnabled: command.enabled && (args => command.enabled!(here(args))),
      execute: args => command.does(here(args))
    });
  const here = (args: Args): Args => ('task' in args ? args : { ...args, task: pointed() });

  add(CommandIDs.open, {
    label: trans.__('Open a View'),
    does: args => {
      if (typeof args.project === 'string') {
        panel.model.select(args.project);
      }
      return shell.open(
        String(args.view),
        (args.args ?? {}) as ReturnType<typeof viewArgs>
      );
    }
  });
  for (const view of VIEWS) {
    commands.addCommand(`mlops-nb:open-${view.id}`, {
      label: args =>
        args.isPalette
          ? trans.__('Open %1', view.title(trans, {}))
          : view.title(trans, viewArgs(args)),
      caption: view.caption(trans),
      icon: args => (args.isPalette ? undefined : view.icon),
      execute: args => shell.open(view.id, viewArgs(args))
    });
  }
  addRunCommands(add, panel, shell);
  if (opener) {
    addOpenCommands(add, panel, opener);
  }
}

type Add = (id: string, command: ICommand) => void;

function addRunCommands(add: Add, panel: IPanel, shell: Shell): void {
  const { trans, model } = panel;
  const canRun = () =>
    !model.project.feed.isBusy && model.project.pipeline.value?.tasks.length !== 0;
  const task = (args: Args) => String(args.task ?? '');
  const run = (args: Args) => String(args.run ?? '');

  add(CommandIDs.runAll, {
    label: trans.__('Run All'),
    icon: runIcon,
    caption: trans.__('Run every task that is not up to date'),
    enabled: canRun,
    does: args => start(panel, (args.request ?? {}) as Partial<RunRequest>)
  });
  add(CommandIDs.runWith, {
    label: trans.__('Run with Parameters'),
    icon: runIcon,
    caption: trans.__('Run with the values of the parameter form'),
    enabled: () => !model.project.feed.isBusy,
    does: () => start(panel, { parameters: { ...model.project.form.snapshot.typed } })
  });
  add(CommandIDs.runTo, {
    label: trans.__('Run to Here'),
    icon: runToIcon,
    caption: trans.__('Bring this task up to date, with what it needs'),
    enabled: args => !!args.task && !model.project.feed.isBusy,
    does: args => start(panel, { targets: [task(args)] })
  });
  add(CommandIDs.runFrom, {
    label: trans.__('Run from Here'),
    icon: runFromIcon,
    caption: trans.__('Run this task anew, and everything below it'),
    enabled: args => !!args.task && !model.project.feed.isBusy,
    does: args => start(panel, { start_from: [task(args)] })
  });
  add(CommandIDs.runThis, {
    label: trans.__('Run This'),
    icon: runThisIcon,
    caption: trans.__('Run this task anew, and nothing below it'),
    enabled: args => !!args.task && !model.project.feed.isBusy,
    does: args => start(panel, { targets: [task(args)], start_from: [task(args)] })
  });
  add(CommandIDs.cancel, {
    label: trans.__('Cancel'),
    icon: stopIcon,
    caption: trans.__('Stop the run; what is done stays done'),
    enabled: () => model.project.feed.isBusy,
    does: async args => {
      const id = run(args) || model.project.feed.active[0]?.summary.id;
      const sure =
        id &&
        (await confirm(trans, {
          title: trans.__('Cancel the run?'),
          body: trans.__(
            'Tasks that run now are stopped; finished ones keep their results. The run can be resumed.'
          ),
          accept: trans.__('Cancel the Run'),
          danger: true
        }));
      if (sure) {
        await attempt(trans, () => model.project.cancel(id));
      }
    }
  });
  add(CommandIDs.resume, {
    label: trans.__('Resume'),
    icon: runFromIcon,
    caption: trans.__('Run what the run still lacks, with its parameters'),
    enabled: () => !model.project.feed.isBusy,
    does: args => begin(panel, () => model.project.resume(run(args)))
  });
  add(CommandIDs.rerun, {
    label: trans.__('Run Again'),
    icon: refreshIcon,
    caption: trans.__('A new run with the same parameters'),
    enabled: () => !model.project.feed.isBusy,
    does: args => begin(panel, () => model.project.rerun(run(args), !!args.force))
  });
  add(CommandIDs.compareRuns, {
    label: trans.__('Compare'),
    icon: compareIcon,
    caption: trans.__('Compare two runs; choose them in the history'),
    enabled: args => args.count === 2,
    does: args =>
      shell.open('compare', { left: String(args.left), right: String(args.right) })
  });
  add(CommandIDs.initProject, {
    label: trans.__('Start a Project…'),
    icon: pipelineIcon,
    caption: trans.__('Make a folder with a pipeline of three notebooks'),
    does: () => initProject(panel)
  });
}

function addOpenCommands(add: Add, panel: IPanel, opener: Opener): void {
  const { trans, model } = panel;
  const found = async (args: Args) => {
    const id = String(args.run ?? '');
    const name = String(args.task ?? '');
    const project = model.project;
    const view = id ? await project.feed.follow(id) : null;
    const known = project.pipeline.value?.tasks.find(one => one.name === name);
    const seen = view?.tasks.find(one => one.task === name);
    // Until its process has ended, a run that is followed by its events names no notebook.
    const isBare = seen && !seen.notebook && known?.last?.run === id;
    return { view, ran: seen && !isBare ? seen : known?.last, known };
  };
  const tell = (text: string) => Notification.info(text, { autoClose: 5000 });

  add(CommandIDs.openSource, {
    label: trans.__('Open Source'),
    icon: textEditorIcon,
    caption: trans.__('Open the notebook or script of the task'),
    does: async args => {
      if (!model.project.pipeline.value) {
        await model.project.pipeline.refresh();
      }
      const { known } = await found(args);
      if (known?.source_is_file) {
        await opener.source(known.source);
      } else if (known) {
        tell(
          trans.__(
            '%1 is the function %2: it has no file of its own.',
            known.name,
            known.source
          )
        );
      }
    }
  });
  add(CommandIDs.openExecuted, {
    label: trans.__('Open Executed Notebook'),
    icon: notebookIcon,
    caption: trans.__('Open the notebook as the run left it, read-only'),
    does: async args => {
      const { ran } = await found(args);
      if (ran?.notebook) {
        await opener.executed(ran.notebook);
      } else {
        tell(trans.__('%1 left no executed notebook in this run.', String(args.task)));
      }
    }
  });
  add(CommandIDs.openFailingCell, {
    label: trans.__('Open Failing Cell'),
    icon: notebookIcon,
    caption: trans.__('Go to the cell of the source notebook that failed'),
    does: async args => {
      if (!model.project.pipeline.value) {
        await model.project.pipeline.refresh();
      }
      const { ran, known } = await found(args);
      if (known?.source_is_file) {
        await opener.source(known.source, ran?.error?.cell);
      } else if (ran?.notebook) {
        await opener.executed(ran.notebook);
      }
    }
  });
  add(CommandIDs.openReport, {
    label: trans.__('Report'),
    icon: html5Icon,
    caption: trans.__('Open the HTML report'),
    does: args => openReport(panel, opener, args, found)
  });
  add(CommandIDs.openPage, {
    label: trans.__('Open Page'),
    icon: html5Icon,
    caption: trans.__('Open an HTML page of the project'),
    enabled: args => !!args.path,
    does: args => opener.page(String(args.path), String(args.title ?? args.path))
  });
}

type Found = (args: Args) => Promise<{
  view: { summary: { id: string }; report: string } | null;
  ran: { report: string } | null | undefined;
}>;

/** Open a page of a run or a task; pages of good tasks are written when they are asked for. */
async function openReport(
  panel: IPanel,
  opener: Opener,
  args: Args,
  find: Found
): Promise<void> {
  const { trans, model } = panel;
  const project = model.project;
  const name = String(args.task ?? '');
  let { view, ran } = await find(args);
  const id =
    view?.summary.id ??
    project.pipeline.value?.tasks.find(one => one.name === name)?.last?.run;
  let path = name ? ran?.report : view?.report;
  if (!path && id) {
    const done = await attempt(trans, () =>
      got(
        project.api.POST('/mlops-nb/v1/runs/{run}/report', {
          params: { path: { run: id }, query: { project: project.path } },
          body: {}
        })
      )
    );
    if (!done) {
      return;
    }
    await project.feed.reload(id);
    ({ view, ran } = await find({ run: id, task: name }));
    path = name ? ran?.report : view?.report;
  }
  if (path) {
    opener.page(path, name || trans.__('Run %1', id));
  } else {
    Notification.info(trans.__('There is no report of this.'), { autoClose: 5000 });
  }
}

/** Start a run; says so where nothing had to be done. */
export function start(panel: IPanel, request: Partial<RunRequest>): Promise<void> {
  return begin(panel, () => panel.model.project.start(request));
}

async function begin(panel: IPanel, work: () => Promise<Started>): Promise<void> {
  const { trans } = panel;
  await attempt(trans, work, started =>
    started.started ? '' : trans.__('Everything is up to date: nothing to run.')
  );
}

async function initProject(panel: IPanel): Promise<void> {
  const { trans, model } = panel;
  const asked = await InputDialog.getText({
    title: trans.__('Start a project'),
    label: trans.__('Folder, below the one that JupyterLab shows'),
    text: 'my-project',
    okLabel: trans.__('Start')
  });
  const path = asked.button.accept ? asked.value?.trim() : '';
  if (!path) {
    return;
  }
  const made = await attempt(
    trans,
    () => got(model.api.POST('/mlops-nb/v1/projects', { body: { path, name: '' } })),
    project =>
      trans.__('%1 is ready: %2 files.', project.project.path, project.files.length)
  );
  if (made) {
    await model.projects.refresh();
    model.select(made.project.path);
  }
}
