/** The way to a terminal, where something is done by a command. */

import { usePanel, useTrans } from './context';
import { Button } from './states';

/** JupyterLab's own command; missing where the server has no terminals. */
const TERMINAL = 'terminal:create-new';

export function TerminalButton(): JSX.Element | null {
  const trans = useTrans();
  const { commands } = usePanel();
  return commands.hasCommand(TERMINAL) ? (
    <Button onClick={() => void commands.execute(TERMINAL)}>
      {trans.__('Open a terminal')}
    </Button>
  ) : null;
}
