"""One of several processes that look for journals of dead workers at the same moment; prints how many it posted."""

import asyncio
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from polyrelay.background.recovery import Recovery
from polyrelay.service.posting import Transcript
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.journaling.journals import JournalFolder
from polyrelay.storage.sql.database import open_sqlite


async def recover(data: Path) -> int:
    """Wait for the word, then look once."""
    database = await open_sqlite(data)
    recovery = Recovery(SqlBank(database), JournalFolder(data, "off"), lambda: Transcript(ZoneInfo), "here")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    count = await recovery.run()
    await database.close()
    return count


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(recover(Path(sys.argv[1])))))
