"""Speech that says what it was asked to say, in the containers vendors use, and its transcription (WIRE 4.2).

WAV, PCM and FLAC hold the speech itself. MP3, AAC and Opus would need an encoder that is not everywhere, so they are
valid files of silence, as long as the speech is. All of them carry the spoken text: see each format's module.
"""
