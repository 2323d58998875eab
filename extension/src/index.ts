/** Wires the extension into JupyterLab; everything it uses beside the shell is optional. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorServices } from '@jupyterlab/codeeditor';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Menu } from '@lumino/widgets';
import { chooseNotebook } from './app/choosing';
import { addCommands } from './app/commands';
import { addConverting } from './app/converting';
import { RunDrive } from './app/drive';
import { showExecuted } from './app/executed';
import { extendNotebooks } from './app/notebook';
import { Opener } from './app/opening';
import { addScheduling } from './app/scheduling';
import { Shell } from './app/shell';
import { tellOfRuns } from './app/telling';
import type { IPanel } from './components/context';
import { pipelineIcon } from './components/icons';
import { PanelModel } from './model/panel';
import { makeApi } from './request';
import { CommandIDs, DOMAIN, EXTENSION } from './tokens';
import { VIEWS } from './views';
import { sidebarView } from './views/sidebar';
import { StatusItem } from './views/statusitem';
import { ViewWidget } from './views/widget';

const plugin: JupyterFrontEndPlugin<void> = {
  id: `${EXTENSION}:plugin`,
  description: 'Pipelines, runs, models and monitoring beside the notebook.',
  autoStart: true,
  optional: [
    ICommandPalette,
    IDocumentManager,
    IEditorServices,
    IFileBrowserFactory,
    ILauncher,
    ILayoutRestorer,
    IMainMenu,
    INotebookTracker,
    IRenderMimeRegistry,
    ISettingRegistry,
    IStatusBar,
    ITranslator,
    NotebookPanel.IContentFactory
  ],
  activate
};

export default plugin;

/** What a right click on a task of the graph offers. */
const TASK_MENU = [
  CommandIDs.runTo,
  CommandIDs.runFrom,
  CommandIDs.runThis,
  CommandIDs.openSource,
  CommandIDs.openExecuted,
  CommandIDs.openReport
];

function activate(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  documents: IDocumentManager | null,
  editors: IEditorServices | null,
  browsers: IFileBrowserFactory | null,
  launcher: ILauncher | null,
  restorer: ILayoutRestorer | null,
  menu: IMainMenu | null,
  notebooks: INotebookTracker | null,
  rendermime: IRenderMimeRegistry | null,
  settings: ISettingRegistry | null,
  statusBar: IStatusBar | null,
  translator: ITranslator | null,
  contentFactory: NotebookPanel.IContentFactory | null
): void {
  const trans = (translator ?? nullTranslator).load(DOMAIN);
  const { serviceManager, commands } = app;
  const server = serviceManager.serverSettings;
  const model = new PanelModel(
    makeApi(server),
    server.baseUrl,
    serviceManager.events.stream
  );
  const panel: IPanel = { model, commands, trans };

  serviceManager.contents.addDrive(new RunDrive(model));
  const shell = new Shell(app, panel);
  const opener = documents && new Opener(app, panel, documents);
  addCommands(
    commands,
    panel,
    shell,
    opener,
    () =>
      app.contextMenuHitTest(node => node.dataset.task !== undefined)?.dataset.task ?? ''
  );
  TASK_MENU.forEach((command, rank) =>
    app.contextMenu.addItem({ command, selector: '.mn-Node[data-task]', rank })
  );
  addScheduling(app, panel, browsers);
  if (documents) {
    addConverting(panel, documents, () => chooseNotebook(documents, trans));
  }
  tellOfRuns(panel);
  if (notebooks) {
    extendNotebooks(app, panel, notebooks);
  }
  if (contentFactory && editors && rendermime) {
    showExecuted(app, trans, { contentFactory, editors, rendermime }, restorer);
  }

  const sidebar = new ViewWidget(panel, sidebarView);
  sidebar.id = `${EXTENSION}-sidebar`;
  sidebar.title.icon = pipelineIcon;
  sidebar.title.caption = sidebarView.caption(trans);
  app.shell.add(sidebar, 'left', { rank: 650, type: 'mlops-nb' });
  restorer?.add(sidebar, sidebar.id);
  if (restorer) {
    shell.restore(restorer);
  }

  const category = trans.__('Pipelines');
  for (const view of VIEWS.filter(one => one.listed)) {
    const command = `mlops-nb:open-${view.id}`;
    palette?.addItem({ command, category, args: { isPalette: true } });
    launcher?.add({ command, category, rank: VIEWS.indexOf(view) });
  }
  for (const command of [
    CommandIDs.runAll,
    CommandIDs.cancel,
    CommandIDs.initProject,
    CommandIDs.addToPipeline,
    CommandIDs.runAsTask,
    CommandIDs.markParameters
  ]) {
    palette?.addItem({ command, category });
  }
  for (const command of [CommandIDs.convert, CommandIDs.schedule]) {
    palette?.addItem({ command, category, args: { isPalette: true } });
  }
  menu?.addMenu(makeMenu(panel), true, { rank: 65 });
  statusBar?.registerStatusItem(`${EXTENSION}:status`, {
    item: new StatusItem(panel),
    align: 'left',
    rank: 5
  });
  void settings?.load(plugin.id).then(loaded => {
    const apply = () => {
      model.quiet = loaded.get('notifications').composite === false;
    };
    apply();
    loaded.changed.connect(apply);
  });
  serviceManager.connectionFailure.connect(() => void model.lookAgain());
  void model.load();
}

function makeMenu(panel: IPanel): Menu {
  const menu = new Menu({ commands: panel.commands });
  menu.id = `${EXTENSION}-menu`;
  menu.title.label = panel.trans.__('Pipeline');
  for (const view of VIEWS.filter(one => one.listed)) {
    menu.addItem({ command: `mlops-nb:open-${view.id}` });
  }
  menu.addItem({ type: 'separator' });
  menu.addItem({ command: CommandIDs.runAll });
  menu.addItem({ command: CommandIDs.cancel });
  menu.addItem({ type: 'separator' });
  menu.addItem({ command: CommandIDs.initProject });
  menu.addItem({ command: CommandIDs.convert });
  return menu;
}
