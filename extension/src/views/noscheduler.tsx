/** Says that nothing starts by itself, and where a scheduler can be started. */

import { useTrans } from '../components/context';
import { Glyph } from '../components/icons';
import { TerminalButton } from '../components/terminal';

export function NoScheduler(): JSX.Element {
  const trans = useTrans();
  return (
    <div className="mn-Banner mn-tone-warn" role="status">
      <Glyph name="warning" />
      <span>
        {trans.__(
          'No scheduler runs, so nothing starts by itself. Start one in a terminal:'
        )}{' '}
        <code>mlops-nb scheduler</code>
      </span>
      <TerminalButton />
    </div>
  );
}
