/** Shows executed notebooks: without a kernel, and without buttons that would need one. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { IEditorServices } from '@jupyterlab/codeeditor';
import { NotebookPanel, NotebookWidgetFactory } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { notebookIcon } from '@jupyterlab/ui-components';
import type { Trans } from '../tokens';

/** The name of the widget factory. */
export const EXECUTED = 'mlops-nb executed notebook';

export interface IExecutedServices {
  readonly contentFactory: NotebookPanel.IContentFactory;
  readonly editors: IEditorServices;
  readonly rendermime: IRenderMimeRegistry;
}

/** Make the factory known, and have what it showed shown again after a reload. */
export function showExecuted(
  app: JupyterFrontEnd,
  trans: Trans,
  services: IExecutedServices,
  restorer: ILayoutRestorer | null
): void {
  const factory = new NotebookWidgetFactory({
    name: EXECUTED,
    label: trans.__('Executed notebook'),
    fileTypes: ['notebook'],
    modelName: 'notebook',
    readOnly: true,
    canStartKernel: false,
    preferKernel: false,
    rendermime: services.rendermime,
    contentFactory: services.contentFactory,
    mimeTypeService: services.editors.mimeTypeService,
    toolbarFactory: () => []
  });
  const tracker = new WidgetTracker<NotebookPanel>({ namespace: 'mlops-nb-executed' });
  factory.widgetCreated.connect((_, panel) => {
    panel.title.icon = notebookIcon;
    panel.title.caption = trans.__('%1, as a run left it', panel.context.localPath);
    void tracker.add(panel);
  });
  app.docRegistry.addWidgetFactory(factory);
  void restorer?.restore(tracker, {
    command: 'docmanager:open',
    args: panel => ({ path: panel.context.path, factory: EXECUTED }),
    name: panel => panel.context.path
  });
}
