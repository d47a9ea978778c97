"""Things players told, and questions for them that share no word that matters: what only a meaning can find.

The people are invented and so are the lines; they were written for this, and ``domain.mind.archive.NEAR`` was chosen
with them.
"""

from __future__ import annotations

from typing import Final

TOLD: Final = (
    ("Ava told me: my sister Lena works nights at the clinic", "where is your nurse friend's sibling employed?"),
    ("Bruno told me: I sold my motorbike to pay the rent", "why is he walking these days?"),
    ("Celia torched the old cinema", "how did that fire start?"),
    ("Dante told me: I am allergic to peanuts", "what food makes him sick?"),
    ("Edda told me: the cops raided our warehouse on Monday", "was there trouble with the law?"),
    ("Farid told me: my boat is called the Blue Heron", "what is the vessel's name?"),
    ("Greta told me: I never learned how to swim", "can she go in the water?"),
    ("Hugo told me: I want to open a restaurant one day", "what does he dream of?"),
    ("Ines told me: my husband left me for the mayor's daughter", "is she still married?"),
    ("Jonah told me: the doctor says my heart is weak", "how is his health?"),
    ("Kira told me: I won the street race at the quarry", "how good a driver is she?"),
    ("Leon told me: my dog Rufus bit the postman", "does he own a pet?"),
    ("Marta told me: I grew up in a fishing village near Lisbon", "where does she come from?"),
    ("Nico told me: I owe Otis four hundred dollars", "is he in debt to somebody?"),
    ("Olga told me: I saw Victor hide a body under the pier", "did anybody witness the murder?"),
    ("Pavel told me: I play the trumpet in a jazz band", "is he a musician?"),
    ("Quentin told me: my daughter turns seven on Saturday", "how old is his child?"),
    ("Rosalie told me: the bank teller is on our payroll", "who is our inside man?"),
    ("Stefano told me: I am out of bullets", "does he need ammunition?"),
    ("Tabitha told me: I hate the rain", "what kind of weather does she dislike?"),
    ("Ulrich told me: I was in the navy for twelve years", "did he ever serve in the military?"),
    ("Valeria told me: the shipment arrives at dawn on Thursday", "when do the goods come in?"),
    ("Wendell told me: I lost my job at the refinery", "is he unemployed?"),
    ("Ximena told me: my grandmother taught me to bake bread", "who showed her how to cook?"),
    ("Yusuf told me: I broke my leg falling off a roof", "how did he get hurt?"),
    ("Zelda told me: I am moving to Sandy Shores next month", "is she going to live somewhere else?"),
)
"""A memory, and a question that it answers."""

UNTOLD: Final = (
    *("what is the capital of Mongolia?", "how do I repair a transmission?", "where can I buy flowers?"),
    *("do you believe in ghosts?", "which team won the game last night?", "what colour is your shirt?"),
    *("can you lend me your phone?", "who painted that wall?", "is there a hotel nearby?", "what did the pope say?"),
    *("how tall is the tower?", "do you like chess?", "who is your favourite singer?", "what's in the box?"),
    *("how long does the ferry take?", "why is the sky blue?", "have you seen my keys?", "what is the password?"),
    *("which bus goes to the airport?", "how many stars are there?", "is it legal to fish here?"),
    *("who built this bridge?", "what is your opinion on taxes?", "where is the library?"),
    *("was ist die Hauptstadt der Mongolei?", "wie hoch ist der Turm?", "¿qué hay en la caja?", "¿a qué hora sale?"),
    *("où est la bibliothèque?", "qui a construit ce pont?", "сколько звёзд на небе?", "где здесь аптека?"),
)
"""Questions that none of the memories answers; some in languages that an English model does not know."""
