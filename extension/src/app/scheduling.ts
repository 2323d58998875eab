/** Brings a notebook to the form of a new schedule. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { IPanel } from '../components/context';
import { attempt } from '../components/dialogs';
import { scheduleIcon } from '../components/icons';
import { got } from '../request';
import { CommandIDs } from '../tokens';

/** Add the command `Schedule…`, and its place in the menu of notebooks in the file browser. */
export function addScheduling(
  app: JupyterFrontEnd,
  panel: IPanel,
  browsers: IFileBrowserFactory | null
): void {
  const { commands } = app;
  const { trans } = panel;
  const selected = () => {
    const items = browsers?.tracker.currentWidget?.selectedItems();
    const first = items ? [...items] : [];
    return first.length === 1 && first[0].type === 'notebook' ? first[0].path : '';
  };
  commands.addCommand(CommandIDs.schedule, {
    label: args => (args.isPalette ? trans.__('Add a Schedule') : trans.__('Schedule…')),
    caption: trans.__('Have a notebook or the pipeline run at certain times'),
    icon: args => (args.isPalette ? undefined : scheduleIcon),
    isVisible: args => !args.isContext || selected() !== '',
    execute: async args => {
      const path = args.isContext ? selected() : String(args.path ?? '');
      if (path) {
        await scheduleNotebook(panel, path);
      } else {
        await commands.execute('mlops-nb:open-schedules', { form: true, notebook: '' });
      }
    }
  });
  app.contextMenu.addItem({
    command: CommandIDs.schedule,
    args: { isContext: true },
    selector: '.jp-DirListing-item[data-isdir="false"]',
    rank: 3.5 // at the end of what opens it
  });
}

/** Open the form for a notebook; one that is no task is told how it becomes one. */
async function scheduleNotebook(panel: IPanel, path: string): Promise<void> {
  const { trans, model, commands } = panel;
  const found = await attempt(trans, () =>
    got(model.api.GET('/mlops-nb/v1/membership', { params: { query: { path } } }))
  );
  if (!found) {
    return;
  }
  const { project } = found;
  if (!project || found.role !== 'source') {
    const text = project
      ? trans.__(
          '%1 belongs to no task yet: open it and choose “Add to Pipeline”, then schedule it.',
          path
        )
      : trans.__(
          '%1 lies outside of any project: put it into a folder with a pipeline.yaml, or start a project.',
          path
        );
    Notification.warning(text, { autoClose: 8000 });
    return;
  }
  model.select(project.path);
  const notebook = project.path ? path.slice(project.path.length + 1) : path;
  await commands.execute('mlops-nb:open-schedules', { form: true, notebook });
}
