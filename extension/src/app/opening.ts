/** Opens what belongs to a task: its source, the executed notebook, a page, a log. */

import { IFrame, MainAreaWidget } from '@jupyterlab/apputils';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { html5Icon } from '@jupyterlab/ui-components';
import type { IPanel } from '../components/context';
import { fileUrl } from '../request';
import { RUN_DRIVE } from './drive';
import { EXECUTED } from './executed';

/** Opens documents and pages of a project. */
export class Opener {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly panel: IPanel,
    private readonly documents: IDocumentManager
  ) {}

  /** Open a file of the project for editing; `cell` goes to a cell of a notebook, from 0. */
  async source(path: string, cell?: number | null): Promise<void> {
    const full = PathExt.join(this.panel.model.project.path, path);
    const widget = this.documents.openOrReveal(full);
    if (widget instanceof NotebookPanel && cell !== undefined && cell !== null) {
      await goToCell(widget, cell);
    }
  }

  /** Open the notebook that a run executed, which nobody may change. */
  async executed(path: string, cell?: number | null): Promise<void> {
    const full = PathExt.join(this.panel.model.project.path, path);
    const widget = this.documents.openOrReveal(
      `${RUN_DRIVE}:${full}`,
      path.endsWith('.ipynb') ? EXECUTED : undefined
    );
    if (widget instanceof NotebookPanel && cell !== undefined && cell !== null) {
      await goToCell(widget, cell);
    }
  }

  /** Open an HTML page of the project in a tab of its own; scripts of it are kept in a sandbox. */
  page(path: string, title: string): void {
    const { model } = this.panel;
    const id = `mlops-nb-page-${model.project.path}/${path}`.replace(/[^\w-]+/g, '_');
    const open = [...this.app.shell.widgets('main')].find(widget => widget.id === id);
    if (!open) {
      const content = new IFrame({
        sandbox: ['allow-scripts', 'allow-popups'],
        loading: 'lazy'
      });
      content.url = fileUrl(model.baseUrl, model.project.path, path);
      const main = new MainAreaWidget({ content });
      main.id = id;
      main.title.label = title;
      main.title.icon = html5Icon;
      main.title.closable = true;
      content.node.querySelector('iframe')?.setAttribute('title', title);
      this.app.shell.add(main, 'main');
    }
    this.app.shell.activateById(id);
  }
}

async function goToCell(panel: NotebookPanel, cell: number): Promise<void> {
  await panel.context.ready;
  await panel.revealed;
  const notebook = panel.content;
  if (cell >= notebook.widgets.length) {
    return;
  }
  NotebookActions.deselectAll(notebook);
  notebook.activeCellIndex = cell;
  await notebook.scrollToItem(cell, 'center');
  notebook.activate();
}
