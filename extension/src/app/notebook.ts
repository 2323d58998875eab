/** The pipeline inside notebooks: badge and buttons, the parameters cell, injected parameters. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel, INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Notification } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import type { IPanel } from '../components/context';
import { literal, shortName } from '../components/format';
import { parametersIcon } from '../components/icons';
import { MembershipModel } from '../model/membership';
import { CommandIDs } from '../tokens';
import { NotebookBar } from '../views/notebookbar';
import { addToPipeline, runAsTask } from './adding';
import { EXECUTED } from './executed';

const PARAMETERS = 'parameters';
const INJECTED = 'injected-parameters';
const CODE_CELL = 'jp-CodeCell';

/** Put the pipeline into every notebook that is opened. */
export function extendNotebooks(
  app: JupyterFrontEnd,
  panel: IPanel,
  tracker: INotebookTracker
): void {
  const { trans, commands } = panel;
  const known = new WeakMap<NotebookPanel, MembershipModel>();
  const extension = {
    createNew: (
      notebook: NotebookPanel,
      context: DocumentRegistry.IContext<INotebookModel>
    ) => extend(panel, notebook, context, known)
  };
  app.docRegistry.addWidgetExtension('Notebook', extension);
  app.docRegistry.addWidgetExtension(EXECUTED, extension);
  const current = () => tracker.currentWidget;
  const place = (path: unknown) => {
    const found = tracker.find(one => one.context.path === path) ?? current();
    const membership = found && known.get(found);
    return found && membership ? { notebook: found, membership } : null;
  };

  // A right click on a cell's text does not make it the active one.
  const meant = (args: ReadonlyPartialJSONObject) => {
    const node =
      args.isContext && app.contextMenuHitTest(one => one.classList.contains(CODE_CELL));
    const notebook = node ? tracker.find(one => one.node.contains(node)) : current();
    const cell = node
      ? notebook?.content.widgets.find(one => one.node === node)
      : tracker.activeCell;
    return notebook && cell ? { notebook, cell } : null;
  };

  commands.addCommand(CommandIDs.addToPipeline, {
    label: trans.__('Add to Pipeline…'),
    caption: trans.__('Make the notebook a task of its project'),
    isEnabled: () => current() !== null,
    execute: async args => {
      const found = place(args.path);
      if (found) {
        await addToPipeline(panel, found.notebook, found.membership);
      }
    }
  });
  commands.addCommand(CommandIDs.runAsTask, {
    label: trans.__('Run as Task'),
    caption: trans.__('Save the notebook, and run it as the pipeline does'),
    isEnabled: () => current() !== null && !panel.model.project.feed.isBusy,
    execute: async args => {
      const found = place(args.path);
      if (found) {
        await runAsTask(panel, found.notebook, found.membership);
      }
    }
  });
  commands.addCommand(CommandIDs.markParameters, {
    label: trans.__('Mark as Parameters'),
    caption: trans.__('A run replaces what this cell assigns'),
    icon: parametersIcon,
    isToggleable: true,
    isToggled: args => {
      const cell = meant(args)?.cell;
      return !!cell && tagsOf(cell).includes(PARAMETERS);
    },
    isEnabled: args => meant(args)?.cell.model.type === 'code',
    execute: args => {
      const found = meant(args);
      if (found) {
        markParameters(panel, found.notebook, found.cell);
      }
    }
  });
  app.contextMenu.addItem({
    command: CommandIDs.markParameters,
    args: { isContext: true },
    selector: `.jp-Notebook .${CODE_CELL}`,
    rank: 20
  });
}

function extend(
  panel: IPanel,
  notebook: NotebookPanel,
  context: DocumentRegistry.IContext<INotebookModel>,
  known: WeakMap<NotebookPanel, MembershipModel>
): IDisposable {
  const { model } = panel;
  const isOfRun = context.path.includes(':'); // a drive of its own: what a run left behind
  const membership = isOfRun ? null : new MembershipModel(model, context.path);
  if (membership) {
    known.set(notebook, membership);
    notebook.toolbar.insertItem(10, 'mlops-nb', new NotebookBar(panel, membership));
    context.pathChanged.connect((_, path) => {
      membership.path = path;
    });
  }
  let waiting = false;
  // Once a frame, however many keys were typed or cells came.
  const decorate = () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        if (!notebook.isDisposed) {
          notebook.content.widgets.forEach(cell => decorateCell(panel, cell, membership));
        }
      });
    }
  };
  void context.ready.then(() => {
    decorate();
    notebook.content.model?.cells.changed.connect(decorate);
    notebook.content.modelContentChanged.connect(decorate);
  });
  membership?.membership.changed.connect(decorate);
  const watch = () => {
    model.project.pipeline.changed.connect(decorate);
    decorate();
  };
  watch();
  model.changed.connect(watch);
  return new DisposableDelegate(() => {
    model.changed.disconnect(watch);
    model.project.pipeline.changed.disconnect(decorate);
    membership?.dispose();
  });
}

function tagsOf(cell: Cell): readonly string[] {
  const tags: unknown = cell.model.getMetadata('tags');
  return Array.isArray(tags) ? (tags as string[]) : [];
}

/** Label the parameters cell and injected ones, and keep the latter from being edited. */
function decorateCell(panel: IPanel, cell: Cell, membership: MembershipModel | null): void {
  const { trans } = panel;
  const tags = tagsOf(cell);
  const { dataset } = cell.node;
  if (tags.includes(INJECTED)) {
    cell.syncEditable = false; // else it would be written into the notebook
    cell.readOnly = true;
    dataset.mnLabel = trans.__('Parameters that the run injected · read-only');
  } else if (tags.includes(PARAMETERS)) {
    dataset.mnLabel = trans.__('Parameters');
  } else if (dataset.mnLabel !== undefined) {
    delete dataset.mnLabel;
  }
  const shown = tags.includes(PARAMETERS) ? (membership?.parameters ?? []) : [];
  let list = cell.node.querySelector<HTMLElement>(':scope > .mn-Injected');
  if (!shown.length) {
    list?.remove();
    return;
  }
  if (!list) {
    list = document.createElement('dl');
    list.className = 'mn-Injected';
    list.setAttribute('aria-label', trans.__('What the pipeline sets, read-only'));
    cell.node.appendChild(list);
  }
  const key = JSON.stringify(shown.map(one => [one.name, one.value]));
  if (list.dataset.key !== key) {
    list.dataset.key = key;
    const head = document.createElement('div');
    head.textContent = trans.__('Set by the pipeline:');
    list.replaceChildren(
      head,
      ...shown.map(one => {
        const [row, name, value] = ['div', 'dt', 'dd'].map(tag =>
          document.createElement(tag)
        );
        name.textContent = shortName(one.name, membership?.taskNames ?? []);
        value.textContent = literal(one.value);
        row.append(name, value);
        return row;
      })
    );
  }
}

/** Tag the cell, or take the tag from it; a notebook has one such cell. */
function markParameters(panel: IPanel, notebook: NotebookPanel, cell: Cell): void {
  const { trans } = panel;
  const isOn = tagsOf(cell).includes(PARAMETERS);
  for (const other of notebook.content.widgets) {
    const tags = tagsOf(other).filter(tag => tag !== PARAMETERS);
    if (other === cell && !isOn) {
      other.model.setMetadata('tags', [...tags, PARAMETERS]);
    } else if (tagsOf(other).includes(PARAMETERS)) {
      tags.length
        ? other.model.setMetadata('tags', tags)
        : other.model.deleteMetadata('tags');
      if (other !== cell) {
        Notification.info(
          trans.__('Another cell was the parameters cell; it is this one now.'),
          {
            autoClose: 4000
          }
        );
      }
    }
  }
  notebook.content.widgets.forEach(one => decorateCell(panel, one, null));
}
